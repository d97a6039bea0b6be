// Package media says what a file is by its bytes: its format, duration, sample
// rate, channels, size and SHA-256, in one streaming pass.
//
// It holds one small reader for each supported format and the buffered source
// that they all pull from, which hashes every byte on its way. It never looks
// at a file's name or declared type, never decodes audio, never seeks, never
// starts a goroutine, and never holds more of a file than its buffer: about
// 1.3 MiB whatever the file's size.
//
// # What is refused
//
// A file passes when it is audio of a supported format and whole as far as its
// format can tell. Anything else is refused with
// registration.invalid_audio_format, whose details name what was detected and,
// as "problem", why:
//
//   - unsupported: the bytes are something else, named in "detected".
//   - malformed: the signature of a supported format, without its structure.
//   - no_audio: a well-formed container with no sound in it.
//   - codec: a supported container around a codec that is not.
//   - video: a container with a moving-picture track.
//   - truncated: the file ends before its own declarations do; where they are
//     known, "declared_bytes" and "actual_bytes" say how far.
//
// # What is forgiven
//
// Real files bend their specifications. These are accepted:
//
//   - WAV, AIFF: audio that ends up to 64 bytes early; a wrong outer size; a
//     data size of 0, or of about 2 GiB and more in a shorter file, as written
//     by encoders that could not seek back (the rest of the file is then the
//     audio, and a cut cannot be seen); missing pad bytes; anything
//     after the audio.
//   - FLAC: an ID3v2 tag in front; an unknown total; frames that do not start
//     at zero; damaged frames in the middle; ID3v1, APE tags or zeros behind.
//   - MP3, AAC: up to 64 KiB of padding in front; tags of any size in front,
//     behind and between; damaged stretches that are less than half the file.
//   - M4A: either order of its parts; fragments; still pictures as a track;
//     junk behind the whole.
//   - Ogg: streams in a chain, whose durations add up; junk between and behind
//     pages; a missing end-of-stream flag, since voice recorders omit it.
//   - WebM: unknown sizes and no duration, as browsers record; junk behind a
//     segment of known size.
//
// # What cannot be known
//
// An MP3 without a Xing, Info or VBRI header, an AAC stream, a FLAC without its
// total, an Ogg file, a fragmented M4A and a WebM of unknown size state no
// total. Cut inside a frame, page, fragment or block they are refused; cut
// exactly between two they are indistinguishable from a shorter whole file,
// and pass. An MP3 with such a header may lack its last frame and pass.
//
// Durations are those of the coded audio. The silence that MP3 encoders state
// they added and Opus's pre-skip are taken off; AAC's priming (some 20 ms) is not.
package media
