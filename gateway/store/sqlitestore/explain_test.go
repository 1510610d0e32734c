package sqlitestore

import (
	"database/sql/driver"
	"os"
	"regexp"
	"strings"
	"testing"
)

// explain calls each with every step of a statement's plan. The statement's
// parameters are null.
func (c *conn) explain(sql string, each func(step string)) error {
	args := make([]any, strings.Count(sql, "?"))
	return c.query("EXPLAIN QUERY PLAN "+sql, func(row []driver.Value) error {
		each(text(row[3]))
		return nil
	}, args...)
}

// TestStatementsListed checks that no statement escapes TestExplain.
func TestStatementsListed(t *testing.T) {
	src, err := os.ReadFile("sql.go")
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`statements\s*= \[\]string`).FindIndex(src)
	if at == nil {
		t.Fatal("the list of statements is not found")
	}
	list := string(src)[at[1]:]
	exempt := map[string]bool{"sqlBegin": true, "sqlBeginRead": true, "sqlCommit": true, "sqlRollback": true}
	for _, m := range regexp.MustCompile(`(?m)^\t(sql\w+)\s+= `).FindAllStringSubmatch(string(src), -1) {
		if !exempt[m[1]] && !strings.Contains(list, m[1]+",") {
			t.Errorf("%s is not in the list of statements", m[1])
		}
	}
}
