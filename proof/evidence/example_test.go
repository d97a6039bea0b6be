package evidence_test

import (
	"errors"
	"fmt"
	"os"

	"timbre.example/proof/evidence"
)

// The key does not come from the evidence: it was saved earlier.
const trusted = "timbre.example/log/testnet+6666f8af+Ac7MFQfcHd1ylZUcKQiI8JWtuQRNG3PWlubfBl1oO9T8"

func Example() {
	check := func() error {
		f, err := os.Open("testdata/v1/full.json")
		if err != nil {
			return err
		}
		defer f.Close()
		e, err := evidence.Decode(f)
		if err != nil {
			return err // it is not evidence
		}
		media, err := os.Open("testdata/v1/media.bin")
		if err != nil {
			return err
		}
		defer media.Close()
		report, err := evidence.Verify(e, evidence.Options{Media: media, Keys: []string{trusted}})
		if err != nil {
			return err // the recording could not be read
		}
		for _, check := range report {
			fmt.Println(check.Status, check.Name)
		}
		if !report.Anchored() {
			return errors.New("not proved")
		}
		fmt.Printf("%s was registered by %s\n", e.Title, e.Block.Time)
		return nil
	}
	if err := check(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ok media
	// ok creators
	// ok all_creators
	// ok commitment
	// ok entry
	// ok time
	// ok log_key
	// ok checkpoint
	// ok inclusion
	// ok block
	// ok dates
	// Porch Light · Φως στη βεράντα · 门廊的灯 was registered by 2026-03-01 12:00:00.25 +0000 UTC
}

// A program reads one check by its name.
func ExampleReport_Check() {
	e, err := open("testdata/v1/redacted.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := evidence.Verify(e, evidence.Options{Keys: []string{trusted}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if c, ok := report.Check(evidence.CheckAllCreators); ok && c.Status != evidence.OK {
		fmt.Println(c.Why)
	}
	fmt.Println(evidence.Judge(e, report).Name())
	// Output:
	// Some creators are not shown.
	// The registration is proved
}

// The holder of evidence may show one creator alone.
func ExampleEvidence_Redact() {
	e, err := open("testdata/v1/full.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	mine, err := e.Redact(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := evidence.Verify(mine, evidence.Options{Keys: []string{trusted}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(e.Creators), "creators,", len(mine.Creators), "shown; anchored:", report.Anchored())
	// Output: 3 creators, 1 shown; anchored: true
}

func ExampleLog_Entry() {
	e, err := open("testdata/v1/full.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	entry, err := e.Log.Entry()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("work", entry.AtsID, "version", entry.Version, "in block", entry.Block)
	// Output: work 17 version 2 in block 3
}

func open(path string) (evidence.Evidence, error) {
	f, err := os.Open(path)
	if err != nil {
		return evidence.Evidence{}, err
	}
	defer f.Close()
	return evidence.Decode(f)
}
