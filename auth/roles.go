package auth

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed roles.txt
var rolesText string

// RolesTable returns the text that decides what each role may do, for people
// who audit it. Nothing else in the program grants a permission.
func RolesTable() string { return rolesText }

// A Role is what kind of partner a client is: one of [Roles].
type Role string

// The roles that the code itself must know; what they may do stands in
// roles.txt like every other's.
const (
	// RoleSandbox exists only on a gateway started with --sandbox.
	RoleSandbox Role = "sandbox"
	// RoleImporter loads existing records, with their ids.
	RoleImporter Role = "importer"
)

// A roles table says which letters each role has per type, and which types
// are public.
type rolesTable struct {
	letters map[Role]map[string]Letters
	all     map[Role]bool // sees every party's resources
	public  map[string]bool
}

var roles = sync.OnceValues(func() (rolesTable, error) { return parseRoles(rolesText) })

// Roles returns every role's name, sorted.
func Roles() []Role {
	t, _ := roles()
	return slices.Sorted(maps.Keys(t.letters))
}

// Valid reports whether the role exists.
func (r Role) Valid() bool {
	t, _ := roles()
	_, ok := t.letters[r]
	return ok
}

// Letters returns what the role may do with a type.
func (r Role) Letters(typ string) Letters {
	t, _ := roles()
	return t.letters[r][typ] | t.letters[r]["*"]
}

// PublicType reports whether resources of the type are seen by everyone whose
// role reads it: directory entries and definitions.
func PublicType(typ string) bool {
	t, _ := roles()
	return t.public[typ]
}

// parseRoles reads the format of roles.txt: a section of columns, each with
// its roles, and sections of rows, each a type with one cell per column.
func parseRoles(text string) (rolesTable, error) {
	t := rolesTable{letters: map[Role]map[string]Letters{}, all: map[Role]bool{}, public: map[string]bool{}}
	var columns [][]Role
	section := ""
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(words[0], "[]")
		case section == "columns":
			columns = append(columns, t.addColumn(words))
		default:
			if err := t.addRow(words, columns); err != nil {
				return rolesTable{}, fmt.Errorf("roles.txt line %d: %w", n+1, err)
			}
			t.public[words[0]] = section == "directory" || section == "definitions"
		}
	}
	return t, nil
}

func (t *rolesTable) addColumn(words []string) []Role {
	var column []Role
	for _, w := range words[1:] {
		column = append(column, Role(w))
		t.letters[Role(w)] = map[string]Letters{}
		t.all[Role(w)] = words[0] == "all"
	}
	return column
}

func (t *rolesTable) addRow(words []string, columns [][]Role) error {
	if len(words) != len(columns)+1 {
		return fmt.Errorf("%d cells, want %d", len(words)-1, len(columns))
	}
	for i, cell := range words[1:] {
		if cell == "." {
			continue
		}
		l, err := parseLetters(strings.ReplaceAll(cell, "-", ""))
		if err != nil {
			return err
		}
		for _, r := range columns[i] {
			t.letters[r][words[0]] = l
		}
	}
	return nil
}
