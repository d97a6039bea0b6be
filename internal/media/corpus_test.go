package media

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"timbre.example/internal/fault"
)

// opinion is the result of libav (ffprobe and ffmpeg) for a file.
type opinion struct {
	format, codec  string
	stated         time.Duration // by the container; 0 unknown
	decoded        time.Duration // of the decoder's output
	rate, channels int
	complaints     string // the decoder's first line
	pictures       int    // pictures in a video track; 0 without one
}

// whole reports whether the decoder had no complaints and decoded the stated length.
func (o opinion) whole() bool {
	return o.decoded > 50*time.Millisecond && o.complaints == "" && (o.stated == 0 || o.decoded+max(100*time.Millisecond, o.stated/100) >= o.stated)
}

// tool returns a program's path. Without the program the test is skipped with a
// message, or fails if all tests must run.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("TIMBRE_TEST_ALL") != "" {
		t.Fatalf("%s is missing: run scripts/deps", name)
	}
	t.Skipf("%s is missing: scripts/deps installs it", name)
	return ""
}

// secondOpinion runs libav on the file.
func secondOpinion(ctx context.Context, file string) (opinion, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var o opinion
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "quiet", "-show_streams", "-show_format", "-of", "json", file).Output()
	if err != nil {
		return o, nil // libav cannot read it at all
	}
	var probe struct {
		Format struct {
			Name     string `json:"format_name"`
			Duration string
		}
		Streams []struct {
			Index       int
			Type        string `json:"codec_type"`
			Codec       string `json:"codec_name"`
			Rate        string `json:"sample_rate"`
			Channels    int
			Duration    string
			Disposition map[string]int
		}
	}
	if err := json.Unmarshal(out, &probe); err != nil {
		return o, err
	}
	o.format = probe.Format.Name
	seconds := func(s string) time.Duration {
		v, _ := strconv.ParseFloat(s, 64)
		return time.Duration(v * float64(time.Second))
	}
	track, wanted := -1, false
	for _, s := range probe.Streams {
		documented := (opinion{format: o.format, codec: s.Codec}).documented()
		if s.Type == "audio" && (track < 0 || documented && !wanted) && s.Codec != "unknown" && s.Codec != "" {
			wanted = documented
			track = s.Index
			o.codec, o.channels = s.Codec, s.Channels
			o.rate, _ = strconv.Atoi(s.Rate)
			o.stated = cmp.Or(seconds(s.Duration), seconds(probe.Format.Duration))
		}
		if s.Type == "video" && s.Disposition["attached_pic"] == 0 {
			o.pictures = 1
		}
	}
	if track < 0 {
		return o, nil
	}
	if o.pictures > 0 {
		out, err := exec.CommandContext(ctx, "ffprobe", "-v", "quiet", "-select_streams", "V", "-count_packets",
			"-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file).Output()
		if err != nil {
			return o, err
		}
		for _, line := range strings.Fields(string(out)) {
			n, _ := strconv.Atoi(strings.Trim(line, ","))
			o.pictures = max(o.pictures, n)
		}
	}
	cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-i", file,
		"-map", fmt.Sprintf("0:%d", track), "-vn", "-c:a", "pcm_s16le", "-bitexact", "-f", "wav", "pipe:1")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return o, err
	}
	if err := cmd.Start(); err != nil {
		return o, err
	}
	head := make([]byte, 44)
	if n, _ := io.ReadFull(pipe, head); n == len(head) {
		rest, _ := io.Copy(io.Discard, pipe)
		o.channels, o.rate = int(binary.LittleEndian.Uint16(head[22:])), int(binary.LittleEndian.Uint32(head[24:]))
		o.decoded = duration(uint64(rest)/uint64(2*max(o.channels, 1)), uint64(o.rate))
	}
	if err := cmd.Wait(); ctx.Err() != nil {
		return o, fmt.Errorf("%s: %w", file, errors.Join(err, ctx.Err()))
	}
	o.complaints, _, _ = strings.Cut(complaints.String(), "\n")
	return o, nil
}

// A comparison has the results of both readers for one file.
type comparison struct {
	file    string
	info    Info
	problem string // why Inspect refused it, "" when accepted
	opinion opinion
	verdict string // the difference, "" when they agree
}

// known are libav's names of the documented formats.
var known = []string{
	"aac", "alac", "flac", "mp3", "mp2", "opus", "vorbis", "amrnb", "amrwb", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice",
	"adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "dsd_lsbf", "dsd_msbf", "dsd_lsbf_planar", "dsd_msbf_planar", "dst",
}

var knownContainers = []string{
	"wav", "w64", "aiff", "flac", "mp3", "aac", "mov,mp4,m4a,3gp,3g2,mj2", "caf", "ogg", "matroska,webm", "dsf", "iff", "asf", "amr",
}

func (o opinion) documented() bool {
	if !slices.Contains(knownContainers, o.format) || o.pictures > 1 {
		return false
	}
	if o.format == "mov,mp4,m4a,3gp,3g2,mj2" && (o.codec == "mp3" || o.codec == "mp2" || o.codec == "vorbis") ||
		(o.format == "wav" || o.format == "w64" || o.format == "matroska,webm") && strings.HasPrefix(o.codec, "wma") {
		return false
	}
	return slices.Contains(known, o.codec) || strings.HasPrefix(o.codec, "pcm_")
}

// compare inspects a file with both readers.
func compare(ctx context.Context, file string) (comparison, error) {
	c := comparison{file: file}
	f, err := os.Open(file)
	if err != nil {
		return c, err
	}
	defer f.Close()
	c.info, err = Inspect(ctx, f)
	var no *fault.Error
	if errors.As(err, &no) {
		c.problem = fmt.Sprint(no.Code)
		if p, ok := no.Details["problem"].(string); ok {
			c.problem = p + " " + fmt.Sprint(no.Details["detected"])
		}
	} else if err != nil {
		return c, err
	}
	if c.opinion, err = secondOpinion(ctx, file); err != nil {
		return c, err
	}
	c.verdict = c.judge()
	return c, nil
}

// unsure is the verdict on an accepted file that libav cannot decode: FLAC with 32 bits,
// PCM of the newer kind in MP4, some WMA Voice.
const unsure = "libav cannot tell"

// judge names the difference between the two results.
func (c comparison) judge() string {
	o, i := c.opinion, c.info
	if strings.HasPrefix(o.codec, "dsd_") {
		o.rate *= 8 // libav counts bytes
	}
	allowed := max(100*time.Millisecond, o.decoded/100)
	switch {
	case c.problem != "" && o.whole() && o.documented():
		return "refused, and whole"
	case c.problem != "":
		return ""
	case o.decoded == 0 || strings.Contains(o.complaints, "Not yet implemented"):
		return unsure
	case float64(o.decoded) < 0.9*float64(i.Duration) && i.Duration-o.decoded > 100*time.Millisecond:
		return "accepted, and sound is missing"
	case i.Duration == 0:
		return ""
	case (i.Duration-o.decoded).Abs() > allowed && (i.Duration-o.stated).Abs() > allowed:
		return "another length"
	case i.SampleRate != o.rate:
		return "another rate"
	case i.Channels != o.channels:
		return "other channels"
	}
	return ""
}

// table prints the rows with differences.
func table(t *testing.T, rows []comparison) {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nfile\tverdict\tours\tlength\trate\tch\tlibav\tdecoded\tstated\trate\tch\tcomplaint")
	for _, c := range rows {
		ours := string(c.info.Format)
		if c.problem != "" {
			ours = c.problem
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3f\t%d\t%d\t%s/%s\t%.3f\t%.3f\t%d\t%d\t%.60s\n", filepath.Base(c.file), cmp.Or(c.verdict, "same"), ours,
			c.info.Duration.Seconds(), c.info.SampleRate, c.info.Channels, c.opinion.format, c.opinion.codec,
			c.opinion.decoded.Seconds(), c.opinion.stated.Seconds(), c.opinion.rate, c.opinion.channels, c.opinion.complaints)
	}
	w.Flush()
	t.Log(b.String())
}

// compareAll compares files, a few at a time. The results keep the order of the files.
func compareAll(t *testing.T, files []string) []comparison {
	t.Helper()
	rows := make([]comparison, len(files))
	var group sync.WaitGroup
	turns := make(chan struct{}, 3)
	for n, file := range files {
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			var err error
			if rows[n], err = compare(t.Context(), file); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		})
	}
	group.Wait()
	return rows
}

// TestCorpus compares the results with libav's, for every file of the folder in
// TIMBRE_TEST_AUDIO. It fails when a complete file of a documented format is refused, or
// a file with more than a tenth of its sound missing is accepted. It also fails when
// lengths (100 ms or 1 %), rates or channels differ.
func TestCorpus(t *testing.T) {
	root := os.Getenv("TIMBRE_TEST_AUDIO")
	if root == "" {
		t.Skip("TIMBRE_TEST_AUDIO names no folder of recordings")
	}
	tool(t, "ffprobe")
	tool(t, "ffmpeg")
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := compareAll(t, files)
	counts := map[string]int{}
	var differ []comparison
	for _, c := range rows {
		switch {
		case c.verdict != "":
			differ = append(differ, c)
			counts[c.verdict]++
		case c.problem != "":
			counts["refused"]++
		default:
			counts["accepted, the same"]++
		}
	}
	table(t, differ)
	t.Logf("%d files: %v", len(rows), counts)
	for _, c := range differ {
		if c.verdict != unsure {
			t.Errorf("%s: %s", c.file, c.verdict)
		}
	}
}
