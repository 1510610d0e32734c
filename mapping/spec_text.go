package mapping

import "strings"

// String writes the condition as people say it.
func (c condition) String() string {
	switch {
	case c.Present != nil && *c.Present:
		return c.Partner + " has text"
	case c.Present != nil:
		return c.Partner + " is empty"
	case c.In != nil:
		return c.Partner + " is " + strings.Join(c.In, " or ")
	}
	return c.Partner + " is not " + strings.Join(c.Not, " or ")
}
