#!/bin/sh
# Makes the four samples. Needs sox, and ffmpeg with libmp3lame and libvorbis.
# Every note is a plucked string of sox (Karplus-Strong); nothing was recorded.
# The tag "take 0000000000000000" is what the server changes in each copy, see samples.go.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT

# piece NAME SECONDS TEMPO NOTES: a melody, a note every TEMPO seconds ("-" is a
# rest), each ringing on under the next, with room around it.
piece() {
	name=$1 length=$2 tempo=$3
	shift 3
	n=0
	files=
	for note in "$@"; do
		if [ "$note" != - ]; then
			at=$(echo "$n * $tempo" | bc)
			loud=$(echo "-8 - 2.5 * ($n % 2) - 1.5 * ($n % 4 > 0) - 1.5 * ($n % 8 > 0)" | bc)
			sox -R -n -r 44100 -b 16 -c 1 "$tmp/$n.wav" synth 2.6 pluck "$note" lowpass 5200 \
				fade h 0.004 2.6 2.0 gain "$loud" pad "$at"
			files="$files $tmp/$n.wav"
		fi
		n=$((n + 1))
	done
	# shellcheck disable=SC2086 # a list of our own file names
	sox -R -m $files "$tmp/$name.wav" gain -n -6 reverb 38 60 70 100 12 \
		trim 0 "$length" fade t 0 "$length" 0.8 gain -n -3 dither -s
	rm -f $files
}

encode() { # encode NAME TITLE FILE OPTIONS…
	in=$tmp/$1.wav title=$2 out=$3
	shift 3
	ffmpeg -v error -y -i "$in" -map_metadata -1 -fflags +bitexact -flags:a +bitexact -metadata "title=$title" -metadata artist=Timbre \
		-metadata 'comment=take 0000000000000000' "$@" "$out"
}

piece porch 6.6 0.30 D3 A3 D4 F#4 A4 F#4 E4 D4  G3 B3 D4 G4 A3 E4 F#4 D4
encode porch 'Porch Light' porch-light.wav -c:a pcm_s16le

piece ferry 9.8 0.36 A2 E3 A3 C4 E4 C4 B3 A3  F2 C3 F3 A3 C4 A3 G3 E3  D3 F3 A3 D4 E3 - A3
encode ferry 'Last Ferry' last-ferry.mp3 -c:a libmp3lame -b:a 96k

piece orchard 7.6 0.25 C4 E4 G4 C5 B4 G4 E4 D4  A3 C4 E4 A4 G4 E4 C4 D4  F3 A3 C4 F4 G3 B3 D4 G4 C4
encode orchard 'Orchard in Six' orchard-in-six.flac -c:a flac -compression_level 12

piece snow 10.4 0.5 E3 B3 G4 F#4 E4 - D4 B3  C3 G3 E4 D4 B3 - A3 B3 E3
encode snow 'First Snow' first-snow.ogg -c:a libvorbis -q:a 4
ls -l
