package media

// extensions are the file extensions of each format, the usual one first. Some
// containers have several, depending on their content.
var extensions = map[Format][]string{
	WAV: {".wav", ".wave", ".bwf", ".rf64", ".w64"}, AIFF: {".aiff", ".aif", ".aifc"}, FLAC: {".flac"}, MP3: {".mp3"}, MP2: {".mp2", ".mp1", ".mpa"}, AAC: {".aac", ".adts"},
	M4A: {".m4a", ".mp4", ".m4b", ".mov"}, CAF: {".caf"}, OggVorbis: {".ogg", ".oga"}, OggFLAC: {".oga", ".ogg"}, Opus: {".opus", ".ogg", ".oga"},
	WebM: {".webm", ".weba"}, Matroska: {".mka", ".mkv"}, DSF: {".dsf"}, DFF: {".dff"}, WMA: {".wma", ".asf"}, AMR: {".amr", ".awb"},
}

// Extensions returns the file extensions of this format, in lower case with a dot, the
// usual one first. It returns nil for an unknown format.
func (f Format) Extensions() []string { return extensions[f] }
