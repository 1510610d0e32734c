package xml

import (
	"encoding/xml"
	"strings"

	"trellis.example/fhir"
)

// The namespaces that XML and XML Schema bring along.
const (
	xmlNamespace = "http://www.w3.org/XML/1998/namespace"
	xsiNamespace = "http://www.w3.org/2001/XMLSchema-instance"
)

// names resolves the names of a document to those that maps write.
type names struct {
	declared map[string]string // by the map: prefix to namespace
	scopes   []scope
}

// A scope is a declaration of the document and the depth of its element.
type scope struct {
	prefix, space string
	depth         int
}

// An attribute is one that is no declaration, with its name as a step.
type attribute struct{ name, value string }

var errPrefix = &fault{code: fhir.Invalid, text: "a prefix in the name of an element or attribute is not declared, or the name has a colon too many"}

// enter takes the declarations of an element and returns its other attributes.
func (n *names) enter(depth int, attrs []xml.Attr) ([]attribute, error) {
	if len(attrs) == 0 {
		return nil, nil
	}
	for _, a := range attrs {
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			n.scopes = append(n.scopes, scope{"", a.Value, depth})
		case a.Name.Space == "xmlns" && a.Value == "":
			return nil, errPrefix
		case a.Name.Space == "xmlns":
			n.scopes = append(n.scopes, scope{a.Name.Local, a.Value, depth})
		}
	}
	var out []attribute
	seen := make(map[xml.Name]bool, len(attrs))
	for _, a := range attrs {
		name := a.Name
		if name.Space != "" && name.Space != "xmlns" {
			space, ok := n.resolve(name.Space)
			if !ok {
				return nil, errPrefix
			}
			name.Space = space
		}
		if seen[name] {
			return nil, &fault{code: fhir.Invalid, text: "an attribute is given once"}
		}
		seen[name] = true
		if strings.Contains(name.Local, ":") {
			return nil, errPrefix
		}
		if name.Space == "xmlns" || name.Space == "" && name.Local == "xmlns" || hint(name) {
			continue
		}
		out = append(out, attribute{"@" + n.known(name.Space, name.Local), a.Value})
	}
	return out, nil
}

// hint reports the attributes that only say where a schema lies.
func hint(name xml.Name) bool {
	return name.Space == xsiNamespace && (name.Local == "schemaLocation" || name.Local == "noNamespaceSchemaLocation")
}

// leave forgets the declarations of the elements at a depth.
func (n *names) leave(depth int) {
	for len(n.scopes) > 0 && n.scopes[len(n.scopes)-1].depth >= depth {
		n.scopes = n.scopes[:len(n.scopes)-1]
	}
}

// resolve returns the namespace of a prefix; false when it is not declared.
func (n *names) resolve(prefix string) (string, bool) {
	if prefix == "xml" {
		return xmlNamespace, true
	}
	for i := len(n.scopes) - 1; i >= 0; i-- {
		if n.scopes[i].prefix == prefix {
			return n.scopes[i].space, true
		}
	}
	return "", prefix == ""
}

// element returns the step of an element's name.
func (n *names) element(name xml.Name) (string, error) {
	space, ok := n.resolve(name.Space)
	if !ok || strings.Contains(name.Local, ":") {
		return "", errPrefix
	}
	return n.known(space, name.Local), nil
}

// known is a name as maps write it.
func (n *names) known(space, local string) string {
	switch {
	case space == xmlNamespace:
		return "xml:" + local
	case space == xsiNamespace && n.declared["xsi"] == "":
		return "xsi:" + local
	case n.declared == nil, space == "", space == n.declared[""]:
		return local
	}
	best := "*"
	for prefix, uri := range n.declared {
		if uri == space && (best == "*" || prefix < best) {
			best = prefix
		}
	}
	return best + ":" + local
}
