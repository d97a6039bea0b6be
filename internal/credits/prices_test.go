package credits_test

import (
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"timbre.example/internal/credits"
)

const mb = credits.Megabyte

func TestStorageFee(t *testing.T) {
	for _, c := range []struct{ size, fee int64 }{
		{0, 0}, {1, 0}, {10 * mb, 0}, {10*mb + 1, 1}, {11 * mb, 1}, {11*mb + 1, 2},
		{100 * mb, 90}, {100*mb + 1, 92}, {101 * mb, 92},
		{250 * mb, 390}, {250*mb + 1, 393}, {500 * mb, 1140},
	} {
		if got := credits.TestnetPrices().Register(c.size); got != (credits.Quote{StorageFee: c.fee, Total: c.fee}) {
			t.Errorf("testnet, %d bytes: %+v, want %d", c.size, got, c.fee)
		}
		want := credits.Quote{NetworkFee: 12, Deposit: 70, VersionDeposit: 20, ServiceFee: 5, StorageFee: c.fee, Total: 87 + c.fee}
		if got := credits.MainnetPrices().Register(c.size); got != want {
			t.Errorf("mainnet, %d bytes: %+v", c.size, got)
		}
		want = credits.Quote{NetworkFee: 12, Deposit: 20, VersionDeposit: 20, ServiceFee: 2, StorageFee: c.fee, Total: 34 + c.fee}
		if got := credits.MainnetPrices().Update(c.size); got != want {
			t.Errorf("update, %d bytes: %+v", c.size, got)
		}
	}
}

func TestParsePrices(t *testing.T) {
	base := credits.MainnetPrices()
	for text, want := range map[string]credits.Prices{
		"":                         base,
		"network=1":                {NetworkFee: 1, BaseDeposit: 50, VersionDeposit: 20, ServiceBasisPoints: 500, Storage: base.Storage},
		"base=2, service-bp=0":     {NetworkFee: 12, BaseDeposit: 2, VersionDeposit: 20, Storage: base.Storage},
		"token=25,network-most=12": {NetworkFee: 12, Token: 25, MostNetworkFee: 12, BaseDeposit: 50, VersionDeposit: 20, ServiceBasisPoints: 500, Storage: base.Storage},
		"storage=:0":               {NetworkFee: 12, BaseDeposit: 50, VersionDeposit: 20, ServiceBasisPoints: 500, Storage: []credits.Tier{{}}},
		"version=3,storage=5:1/:2": {NetworkFee: 12, BaseDeposit: 50, VersionDeposit: 3, ServiceBasisPoints: 500, Storage: []credits.Tier{{UpToMB: 5, PerMB: 1}, {PerMB: 2}}},
	} {
		got, err := credits.ParsePrices(text, base)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %v %s", text, err, cmp.Diff(want, got))
		}
	}
	for _, text := range []string{
		"token=1", "network-most=20", "token=0,network-most=20", "token=20,network-most=11", "token=-1,network-most=20", "token=1000000001,network-most=20", "token=1.5,network-most=20",
		"network", "network=", "network=-1", "network=1.5", "network=1000000001", "fee=1", ",", "network=1,", "storage=", "storage=10:0", "storage=:1/:2", "storage=10:0/5:1/:2",
		"storage=10:0/10:1/:2", "storage=0:1/:2", "storage=-1:1/:2", "storage=10/:2", "storage=10:x/:2", "storage=10:-1/:2", "storage=9999999:1/:2", "storage=:1000001", "network=99999999999999999999",
	} {
		if p, err := credits.ParsePrices(text, base); err == nil {
			t.Errorf("%q is accepted as %s", text, p)
		} else if !cmp.Equal(p, base) {
			t.Errorf("%q was refused, but changed the prices", text)
		}
	}
}

func genPrices(t *rapid.T) credits.Prices {
	n := func(name string) int64 { return rapid.Int64Range(0, 1_000_000_000).Draw(t, name) }
	p := credits.Prices{NetworkFee: n("network"), BaseDeposit: n("base"), VersionDeposit: n("version"), ServiceBasisPoints: n("bp")}
	if rapid.Bool().Draw(t, "chain") {
		p.Token, p.MostNetworkFee = max(1, n("token")), max(1, p.NetworkFee, n("most"))
	}
	var end int64
	for range rapid.IntRange(0, 4).Draw(t, "tiers") {
		end += rapid.Int64Range(1, 1000).Draw(t, "end")
		p.Storage = append(p.Storage, credits.Tier{UpToMB: end, PerMB: rapid.Int64Range(0, 1_000_000).Draw(t, "per")})
	}
	p.Storage = append(p.Storage, credits.Tier{PerMB: rapid.Int64Range(0, 1_000_000).Draw(t, "last")})
	return p
}

func TestPricesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPrices(t)
		got, err := credits.ParsePrices(p.String(), credits.Prices{})
		if err != nil || !cmp.Equal(got, p) {
			t.Fatalf("%s: %v %s", p, err, cmp.Diff(p, got))
		}
	})
}

// A quote adds up, never shrinks when the file grows, and is never negative.
func TestQuotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPrices(t)
		a := rapid.Int64Range(0, 5000*mb).Draw(t, "a")
		b := a + rapid.Int64Range(0, 100*mb).Draw(t, "more")
		qa, qb := p.Register(a), p.Register(b)
		if qa.NetworkFee+qa.Deposit+qa.ServiceFee+qa.StorageFee != qa.Total || qa.Total < 0 {
			t.Fatalf("%+v does not add up", qa)
		}
		if qb.Total < qa.Total {
			t.Fatalf("%d bytes cost %d, %d cost %d", a, qa.Total, b, qb.Total)
		}
		// A sum over the megabytes gives the same fee.
		if size := a % (2000 * mb); size > 0 {
			var sum int64
			for m := int64(0); m*mb < size; m++ {
				for _, tier := range p.Storage {
					if tier.UpToMB == 0 || m < tier.UpToMB {
						sum += tier.PerMB
						break
					}
				}
			}
			if got := p.Register(size).StorageFee; got != sum {
				t.Fatalf("%d bytes cost %d, by hand %d", size, got, sum)
			}
		}
	})
}

func FuzzParsePrices(f *testing.F) {
	f.Add("network=12,base=50,version=20,service-bp=500,storage=10:0/100:1/250:2/:3")
	f.Add("storage=:0")
	f.Add("network=,base")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := credits.ParsePrices(text, credits.MainnetPrices())
		if err != nil {
			return
		}
		again, err := credits.ParsePrices(p.String(), credits.Prices{})
		if err != nil || !cmp.Equal(again, p) {
			t.Fatalf("%q reads as %s, which reads as %s, %v", text, p, again, err)
		}
		if q := p.Register(500 * mb); q.Total < 0 {
			t.Fatalf("%q makes 500 MB cost %d", text, q.Total)
		}
	})
}

// The network fee follows the chain's, rounded up, and a node can say anything.
func TestFollowing(t *testing.T) {
	prices, err := credits.ParsePrices("token=25,network-most=40", credits.MainnetPrices())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fee      string
		decimals int
		want     int64
	}{
		{"0", 12, 0}, {"1", 12, 1}, {"40000000000", 12, 1}, {"40000000001", 12, 2}, {"80000000000", 12, 2},
		{"1000000000000", 12, 25}, {"1600000000000", 12, 40}, {"1600000000001", 12, 40}, {"2", 0, 40}, {"1", 0, 25}, {"79900000000", 38, 1},
		{"340282366920938463463374607431768211455", 0, 40}, {"340282366920938463463374607431768211455", 38, 40}, {"340282366920938463463374607431768211455", 12, 40}, {"-5", 12, 0},
	} {
		fee, _ := new(big.Int).SetString(c.fee, 10)
		p := prices.Following(fee, c.decimals)
		if p.NetworkFee != c.want {
			t.Errorf("%s with %d decimals: %d, want %d", c.fee, c.decimals, p.NetworkFee, c.want)
		}
		if q := p.Register(1); q.Total != c.want+70+(c.want+70+19)/20 || q.NetworkFee != c.want {
			t.Errorf("%s: %+v", c.fee, q)
		}
		if prices.Most().Register(1).Total < p.Register(1).Total {
			t.Errorf("%s is higher than the most", c.fee)
		}
	}
	fixed := credits.MainnetPrices()
	if got := fixed.Following(big.NewInt(1), 0); !cmp.Equal(got, fixed) || !cmp.Equal(fixed.Most(), fixed) {
		t.Errorf("without a rate: %s", got)
	}
}
