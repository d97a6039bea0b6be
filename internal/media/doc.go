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
//   - video: a container with a moving-picture track. One picture is a cover.
//   - truncated: sound is missing: the file ends before its own declarations
//     do, or more than about a tenth is missing in the middle. Where they are
//     known, "declared_bytes" and "actual_bytes" say how far.
//
// "advice" says the same to a person, with what to do.
//
// # What is forgiven
//
// Real files bend their specifications. These are accepted:
//
//   - Any format: ID3v2 and APEv2 tags in front, also of a wrong size.
//   - WAV, AIFF: audio that ends up to 64 bytes early; a wrong outer size; a
//     data size of 0, or of about 2 GiB and more in a shorter file, as written
//     by encoders that could not seek back (the rest of the file is then the
//     audio, and a cut cannot be seen); sizes that wrapped at 4 GiB; a wrong
//     block align; missing pad bytes; anything after the audio.
//   - FLAC: an unknown total, or one that is too small; frames that do not
//     start at zero, that are numbered by old encoders, or that change their
//     rate; up to 64 MiB of bytes in front of the first; damage; ID3v1, APE tags
//     or zeros behind; files that were joined.
//   - MP3, MP2, AAC: up to 64 KiB of padding in front; tags of any size in
//     front, behind and between; damage; up to 4 MiB of junk, and any number of
//     zeros, behind. A bare MP3 or MP2 may end inside a frame: the answer has
//     IncompleteLastFrame.
//   - M4A: either order of its parts; fragments; covers and chapter pictures
//     as tracks; a foreign track of sound in front of a supported one; junk
//     behind the whole.
//   - Ogg: streams in a chain, whose durations add up; junk between and behind
//     pages; single pages whose CRC is wrong; a missing end-of-stream flag, since
//     voice recorders omit it; one picture of Theora or VP8.
//   - WebM, Matroska: unknown sizes and no duration, as browsers record; one
//     picture; junk behind a segment of known size.
//
// Damage in the middle is forgiven up to a tenth of the sound, and the one or
// two frames at its edges.
//
// # What cannot be known
//
// A FLAC without its total, an AAC or AMR stream, an Ogg file, a fragmented M4A
// and a WebM of unknown size state no total. Cut inside a frame, page, fragment
// or block they are refused; cut exactly between two they are indistinguishable
// from a shorter whole file, and pass. An MP3 with a Xing, Info or VBRI header
// may lack its last frame and pass; one without may lack any part of its end.
// Zeros are silence in uncompressed sound. WMA whose packets differ in size is read
// by its header, and held to the size that it states.
//
// Durations are those of the sound that is played, as far as the file tells:
// edit lists, iTunes' note, the silence that MP3 encoders state and Opus's
// pre-skip are taken off. In AAC streams and Matroska, AAC's priming (some 20 ms;
// up to 0.25 s at 8 kHz) is not. The rate of HE-AAC in ADTS frames is half of
// what is played: nothing in the file tells. A DSD rate counts bits.
package media
