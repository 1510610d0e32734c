package sqlitestore

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"trellis.example/gateway/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(storetest.CrashEnv); dir != "" {
		fmt.Fprintln(os.Stderr, crashChild(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// crashChild commits until it is killed.
func crashChild(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	return storetest.CrashLoop(s, os.Stdout)
}
