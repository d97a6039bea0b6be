package media

// extensions are those of each format, the usual one first. Some containers have
// several by what is in them, and people know which they chose.
var extensions = map[Format][]string{
	WAV: {".wav", ".wave", ".bwf", ".rf64", ".w64"}, AIFF: {".aiff", ".aif", ".aifc"}, FLAC: {".flac"}, MP3: {".mp3"}, MP2: {".mp2", ".mp1", ".mpa"}, AAC: {".aac", ".adts"},
	M4A: {".m4a", ".mp4", ".m4b", ".mov"}, CAF: {".caf"}, OggVorbis: {".ogg", ".oga"}, OggFLAC: {".oga", ".ogg"}, Opus: {".opus", ".ogg", ".oga"},
	WebM: {".webm", ".weba"}, Matroska: {".mka", ".mkv"}, DSF: {".dsf"}, DFF: {".dff"}, WMA: {".wma", ".asf"}, AMR: {".amr", ".awb"},
}

// Extensions are the endings that a file's name of this format may have, each in
// small letters with its dot, the usual one first; none for a format that is none of ours.
func (f Format) Extensions() []string { return extensions[f] }
