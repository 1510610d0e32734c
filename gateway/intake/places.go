package intake

import "trellis.example/mapping"

// place finds where in the sender's document an element came from: its own
// place, else that of the nearest element around it.
func place(places *mapping.Places, expression string) string { return places.Source(expression) }
