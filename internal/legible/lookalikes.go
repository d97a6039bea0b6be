package legible

import "unicode"

// A script whose letters can pass for Latin ones: each letter of other looks like the
// one in the same place of latin, capitals and small letters apart.
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

// signs are marks of punctuation that look like one of ASCII, and two letters of the
// phonetic alphabet, which readers take for others in every script.
var signs = map[rune]rune{
	'‘': '\'', '’': '\'', '‛': '\'', '′': '\'', 'ʼ': '\'', 'ʹ': '\'', '`': '\'', '´': '\'', '“': '"', '”': '"', '‟': '"', '″': '"',
	'‐': '-', '‑': '-', '‒': '-', '–': '-', '—': '-', '―': '-', '−': '-', 'ɑ': 'a', 'ɡ': 'g',
}
