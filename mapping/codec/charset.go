package codec

import "unicode/utf8"

// high are the characters of Windows-1252 at 0x80 to 0x9f; 0 is unassigned.
var high = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}

// AppendWindows1252 appends text in Windows-1252 as UTF-8. It reports false at
// a byte that Windows-1252 does not assign.
func AppendWindows1252(dst, text []byte) ([]byte, bool) {
	for _, c := range text {
		r := rune(c)
		if c >= 0x80 && c < 0xa0 {
			if r = high[c-0x80]; r == 0 {
				return dst, false
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, true
}
