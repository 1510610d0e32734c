package mutate

import "slices"

// kinds returns every way to break a document. There is no table at package
// level, so that nobody can change it.
func kinds() []kind {
	return slices.Concat(valueKinds(), objectKinds(), elementKinds(), documentKinds(), answerKinds(), profileKinds())
}
