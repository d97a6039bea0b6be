// Package media identifies an audio file by its bytes. In one streaming pass it finds
// the format, duration, sample rate, channels, size and SHA-256.
//
// It has one small reader for each supported format. All readers read from one
// buffered source, which hashes every byte. The package never looks at a file's name
// or declared type, never decodes audio, never seeks and never starts a goroutine. It
// never holds more of a file than its buffer: about 1.3 MiB for any file size.
//
// # Refused files
//
// A file is accepted when it is audio of a supported format and complete, as far as
// the format shows that. Any other file is refused with
// registration.invalid_audio_format. Its details name the detected format, and the
// reason as "problem":
//
//   - unsupported: the bytes are something else, named in "detected".
//   - malformed: the signature of a supported format, without its structure.
//   - no_audio: a well-formed container without sound.
//   - codec: a supported container with an unsupported codec.
//   - video: a container with a video track. A single picture is a cover and allowed.
//   - truncated: sound is missing. The file ends before the end that it declares,
//     or more than about a tenth is missing in the middle. "declared_bytes" and
//     "actual_bytes" have the two sizes when both are known.
//
// "advice" explains the problem to a person, with a remedy.
//
// # Accepted deviations
//
// Many real files deviate from their specifications. These are accepted:
//
//   - Any format: ID3v2 and APEv2 tags at the start, also with a wrong size.
//   - WAV, AIFF: audio that ends up to 64 bytes early; a wrong outer size; sizes
//     that wrapped at 4 GiB; a wrong block align; missing pad bytes; anything
//     after the audio. Also a data size of 0, or of about 2 GiB and more in a
//     shorter file: encoders that cannot seek back write these. The rest of the
//     file is then the audio, and a cut cannot be detected.
//   - FLAC: an unknown or too small total; frames that do not start at zero, that
//     have the numbers of old encoders, or that change their rate; up to 64 MiB
//     before the first frame; damage; ID3v1, APE tags or zeros at the end; files
//     that were joined.
//   - MP3, MP2, AAC: up to 64 KiB of padding at the start; tags of any size
//     at the start, at the end and between frames; damage; at the end up to 4 MiB
//     of junk and any number of zeros. An MP3 or MP2 without a header for the whole
//     stream may end inside a frame: the result has IncompleteLastFrame.
//   - M4A: either order of its parts; fragments; covers and chapter pictures
//     as tracks; an unsupported track of sound before a supported one; junk
//     at the end.
//   - Ogg: chained streams, whose durations add up; junk between and after
//     pages; single pages with a wrong CRC; a missing end-of-stream flag, because
//     voice recorders omit it; one picture of Theora or VP8.
//   - WebM, Matroska: unknown sizes and no duration, as browsers record; one
//     picture; junk after a segment of known size.
//
// Damage in the middle is accepted up to a tenth of the sound, plus the one or
// two frames at its edges.
//
// # Limits of detection
//
// Some files state no total: a FLAC without its total, an AAC or AMR stream, an Ogg
// file, a fragmented M4A and a WebM of unknown size. When such a file is cut inside a
// frame, page, fragment or block, it is refused. When it is cut exactly between two, it
// looks like a shorter complete file and is accepted. An MP3 with a Xing, Info or VBRI
// header is accepted without its last frame. An MP3 without such a header may lack any
// part of its end. Zeros are silence in uncompressed sound. For WMA with packets of
// different sizes, only the size in the header is checked.
//
// Durations are those of the played sound, as far as the file shows. Edit lists,
// iTunes' gapless comment, the silence that MP3 encoders state and Opus's
// pre-skip are subtracted. AAC's priming in AAC streams and Matroska (some 20 ms;
// up to 0.25 s at 8 kHz) is not subtracted. For high-efficiency AAC in ADTS
// frames, the rate is half of the played rate, because the file does not state the latter. A DSD rate counts bits.
package media
