package legible

import "unicode"

// script is a script with letters that look like Latin ones: each letter of other looks
// like the letter at the same place of latin. Capitals and small letters are separate.
type script struct {
	of    *unicode.RangeTable
	other string
	latin string
}

// scripts is taken from confusables.txt of Unicode 13.0 (Unicode Technical Standard
// #39; © 2020 Unicode, Inc., under the Unicode License): the letters of these scripts
// whose prototype is one letter of ASCII. A capital that looks like a small l has I.
var scripts = []script{
	{unicode.Cyrillic, "ЅІЈАВЕКМНОРСТУХЬагеорсухѕіјѡѴѵҮүһҽӀӏԁԌԛԜԝꙇ", "SIJABEKMHOPCTYXbareopcyxsijwVvYyheIidGqWwi"},
	{unicode.Greek, "ͿΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγινορσυϜϱϲϳϹϺ", "JABEZHIKMNOPTYXayivopouFpcjCM"},
	{unicode.Armenian, "ՍՏՕագզհոռսցքօ", "USOwqqhnnugfo"},
	{unicode.Georgian, "ყჿ", "yo"},
	{unicode.Cherokee, "ᎠᎡᎢᎥᎩᎪᎫᎬᎳᎷᎻᎽᏀᏂᏃᏏᏒᏔᏕᏙᏚᏞᏟᏢᏦᏧᏳᏴꭵꮁꮃꮓꮩꮪꮯ", "DRTiYAJEWMHYGhZbRWSVSLCPKdGBirwzvsc"},
	{unicode.Coptic, "ⲅⲎⲒⲔⲘⲚⲞⲟⲢⲣⲤⲥⲦⲨⲬⳐ", "rHIKMNOoPpCcTYXL"},
	{unicode.Deseret, "𐐄𐐕𐐛𐐠𐐬𐐽𐑈", "OCLSocs"},
	{unicode.Lisu, "ꓐꓑꓒꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPdDTGKJCZFMNLSRVHWXYAEIOU"},
	{unicode.Osage, "𐒴𐓂𐓎𐓪𐓶", "ROUou"},
}

// signs are punctuation marks that look like ASCII ones, and two letters of the
// phonetic alphabet that look like other letters in every script.
var signs = map[rune]rune{
	'‘': '\'', '’': '\'', '‛': '\'', '′': '\'', 'ʼ': '\'', 'ʹ': '\'', '`': '\'', '´': '\'', '“': '"', '”': '"', '‟': '"', '″': '"',
	'‐': '-', '‑': '-', '‒': '-', '–': '-', '—': '-', '―': '-', '−': '-', 'ɑ': 'a', 'ɡ': 'g',
}
