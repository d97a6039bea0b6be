package metadata_test

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/network/substrate/metadata"
)

// The metadata of real runtimes. That of Melodie at version 100 is what its node returned in two
// versions of the format. Those of both networks at version 201 are in the public domain, from
// the repository Allfeat/allfeat-explorer.
var real = []string{"melodie-100-v14", "melodie-100-v15", "melodie-201-v16", "allfeat-201-v16"}

func raw(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".scale.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, name string) *metadata.Metadata {
	t.Helper()
	m, err := metadata.Parse(raw(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

func TestRealMetadata(t *testing.T) {
	for _, name := range real {
		m := parse(t, name)
		if !strings.HasSuffix(name, fmt.Sprint(m.Version)) || !slices.Contains(m.Extrinsics, 4) {
			t.Errorf("%s: version %d, extrinsics %d", name, m.Version, m.Extrinsics)
		}
		var extensions []string
		for _, e := range m.Extensions {
			extensions = append(extensions, e.Name)
		}
		t.Log(name, extensions)
		for _, want := range []string{"CheckSpecVersion", "CheckTxVersion", "CheckGenesis", "CheckMortality", "CheckNonce", "ChargeTransactionPayment", "CheckMetadataHash"} {
			if !slices.Contains(extensions, want) {
				t.Errorf("%s: no extension %s in %q", name, want, extensions)
			}
		}
		ats, err := m.Pallet("Ats")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for constant, want := range map[string]string{"MaxVersionsPerAts": "100", "MaxAtsPerAccount": "1000", "VersionDeposit": "1000000000000"} {
			c, err := ats.Constant(constant)
			if err != nil || c.Number().String() != want {
				t.Errorf("%s: %s is %s, %v", name, constant, c.Number(), err)
			}
		}
		begin, arguments, err := m.Call("Ats", "create")
		if err != nil || len(arguments) != 2 || arguments[0].Name != "commitment" || begin[0] != ats.Index {
			t.Errorf("%s: create %x %+v, %v", name, begin, arguments, err)
		}
		if begin, arguments, err = m.Call("Ats", "update"); err != nil || begin[1] != 1 || len(arguments) != 3 {
			t.Errorf("%s: update %x %+v, %v", name, begin, arguments, err)
		}
		for item, hashers := range map[string]int{"AtsRegistry": 1, "AtsVersions": 2, "OwnerIndex": 1, "NextAtsId": 0} {
			s, err := ats.Storage(item)
			if err != nil || len(s.Hashers) != hashers {
				t.Errorf("%s: %s has the hashers %d, %v", name, item, s.Hashers, err)
			}
			for _, h := range s.Hashers {
				if h != metadata.Blake2_128Concat {
					t.Errorf("%s: %s has the hasher %d", name, item, h)
				}
			}
		}
		for _, unknown := range []error{second(m.Pallet("None")), second(ats.Constant("None")), second(ats.Storage("None")), third(m.Call("Ats", "none")), third(m.Call("None", "create"))} {
			if unknown == nil {
				t.Errorf("%s: something unknown is found", name)
			}
		}
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// recorded are the blocks of a conversation with the real runtime.
type recorded struct {
	Number, Hash, Events string
	Extrinsics           []string
}

func blocks(t testing.TB) (all []recorded) {
	t.Helper()
	b, err := os.ReadFile("testdata/blocks.json")
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Each recorded block has one extrinsic of the client, which did the named thing.
func TestRealEvents(t *testing.T) {
	for _, name := range []string{"melodie-100-v14", "melodie-100-v15"} {
		m := parse(t, name)
		var got []string
		for _, b := range blocks(t) {
			events, err := m.Events(unhex(t, b.Events))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.Extrinsic != 1 || e.Pallet != "Ats" && e.Name != "ExtrinsicFailed" {
					continue
				}
				switch e.Name {
				case "ExtrinsicFailed":
					reason, err := m.ErrorName(e.Values[0])
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, reason)
				case "AtsUpdated":
					id, err := e.Number("ats_id", 8)
					version, err2 := e.Number("version", 4)
					if err != nil || err2 != nil {
						t.Fatal(err, err2)
					}
					got = append(got, fmt.Sprintf("updated %d to %d", id, version))
				default:
					id, err := e.Number("ats_id", 8)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, fmt.Sprint(e.Name, " ", id))
				}
			}
		}
		want := []string{"AtsCreated 0", "updated 0 to 1", "Ats.InvalidProtocolVersion", "Ats.AtsNotFound", "AtsRevoked 0"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A value in an account is read by its path.
func TestMember(t *testing.T) {
	m := parse(t, "melodie-100-v14")
	system, err := m.Pallet("System")
	if err != nil {
		t.Fatal(err)
	}
	s, err := system.Storage("Account")
	if err != nil {
		t.Fatal(err)
	}
	value := unhex(t, "010000000100000001000000000000001df50a9174105643100000000000000000b01723010a000000000000000000000000000000000000000000000000000000000000000000000000000000000080")
	for path, want := range map[string]string{"nonce": "01000000", "data/free": "1df50a91741056431000000000000000", "data/reserved": "00b01723010a00000000000000000000"} {
		if got, err := m.Member(s.Value, value, strings.Split(path, "/")...); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, %v", path, got, err)
		}
	}
	if _, err := m.Member(s.Value, value, "none"); err == nil {
		t.Error("an unknown member is found")
	}
	if _, err := m.Member(s.Value, value[:10], "data"); err == nil {
		t.Error("a member of a short value is found")
	}
}

// Every shorter text is refused, and no changed byte makes Parse panic.
func TestDamaged(t *testing.T) {
	whole := raw(t, "melodie-100-v14")
	for n := 0; n < len(whole); n += 997 {
		if _, err := metadata.Parse(whole[:n]); err == nil {
			t.Fatalf("%d bytes of %d are accepted", n, len(whole))
		}
	}
	for i := 0; i < len(whole); i += 1009 {
		changed := slices.Clone(whole)
		changed[i] ^= 0xff
		if m, err := metadata.Parse(changed); err == nil {
			_, _ = m.Events(unhex(t, blocks(t)[0].Events)) // may fail, must not panic
		}
	}
}

func FuzzEvents(f *testing.F) {
	m := parse(f, "melodie-100-v14")
	for _, b := range blocks(f) {
		f.Add(unhex(f, b.Events))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		events, err := m.Events(b)
		if err != nil && events != nil {
			t.Error("events beside an error")
		}
		for _, e := range events {
			if e.Name == "" || e.Pallet == "" || e.Extrinsic < -1 {
				t.Errorf("%+v", e)
			}
		}
	})
}
