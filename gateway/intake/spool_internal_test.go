package intake

import (
	"fmt"
	"io/fs"
	"net/http"
	"syscall"
	"testing"

	"trellis.example/fhir"
)

// TestNoRoom: a full disk is said to the sender; other trouble is our own.
func TestNoRoom(t *testing.T) {
	tests := []struct {
		err    error
		status int
	}{
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, http.StatusInsufficientStorage},
		{fmt.Errorf("write: %w", syscall.EDQUOT), http.StatusInsufficientStorage},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, http.StatusInternalServerError},
	}
	for _, tt := range tests {
		if got := fhir.AsError(noRoom(tt.err)).HTTPStatus(); got != tt.status {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.status)
		}
	}
	in := &Intake{Deps: Deps{Spool: "/no/such/folder"}}
	if _, err := in.scratch(); fhir.AsError(err).HTTPStatus() != http.StatusInternalServerError {
		t.Errorf("a folder that is not there: %v", err)
	}
}
