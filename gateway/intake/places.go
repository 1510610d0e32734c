package intake

import "strings"

// place finds where in the sender's document an element came from: its own
// place, else that of the nearest element around it.
func place(places map[string]string, expression string) string {
	for expression != "" {
		if p, ok := places[expression]; ok {
			return p
		}
		cut := strings.LastIndexAny(expression, ".[")
		if cut < 0 {
			return ""
		}
		expression = expression[:cut]
	}
	return ""
}
