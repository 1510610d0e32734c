package storetest

import "testing"

func testRandom(*testing.T, Opener) {}
