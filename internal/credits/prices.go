package credits

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Megabyte is the unit of storage prices and of every size limit that Timbre
// states: 1,048,576 bytes.
const Megabyte = 1 << 20

// Prices are the prices of a network, in credits.
type Prices struct {
	// NetworkFee is charged for every transaction.
	NetworkFee int64
	// Token is how many credits a whole token of the chain costs. If it is more than 0, the
	// network fee is what the chain takes for a transaction, by this rate, but at most
	// MostNetworkFee: see Following. NetworkFee is charged while the chain's fee is not known.
	Token, MostNetworkFee int64
	// BaseDeposit is charged once for each work, VersionDeposit once for each version.
	BaseDeposit, VersionDeposit int64
	// ServiceBasisPoints is the service fee, in hundredths of a percent of
	// network fee and deposits, rounded up to a whole credit.
	ServiceBasisPoints int64
	// Storage is the progressive table: each started megabyte up to the tier's
	// end costs the tier's price. The last tier has no end (0).
	Storage []Tier
}

// Tier is one row of the storage table.
type Tier struct {
	UpToMB int64 // 0: no end
	PerMB  int64 // credits for each started megabyte within the tier
}

// storage is the default table: free up to 10 MB, then progressive.
func storage() []Tier { return []Tier{{10, 0}, {100, 1}, {250, 2}, {0, 3}} }

// MainnetPrices are the defaults of a network that charges fees.
func MainnetPrices() Prices {
	return Prices{NetworkFee: 12, BaseDeposit: 50, VersionDeposit: 20, ServiceBasisPoints: 500, Storage: storage()}
}

// TestnetPrices are the defaults of a test network: storage only.
func TestnetPrices() Prices { return Prices{Storage: storage()} }

// Quote is the price of one registration, in credits. Total is the sum of the
// network fee, the deposit, the service fee and the storage fee.
type Quote struct {
	NetworkFee int64 `json:"network_fee"`
	// Deposit is base and version for a new work, version alone for an update.
	Deposit        int64 `json:"deposit"`
	VersionDeposit int64 `json:"version_deposit"`
	ServiceFee     int64 `json:"service_fee"`
	StorageFee     int64 `json:"storage_fee"`
	Total          int64 `json:"total"`
}

// Following returns the prices for a chain that takes fee for a transaction, in its smallest
// unit; a whole token has 10 to the power of decimals of them. The network fee is rounded up,
// and is at most MostNetworkFee, whatever a node says. Without Token they are p.
func (p Prices) Following(fee *big.Int, decimals int) Prices {
	if p.Token == 0 {
		return p
	}
	whole := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	price, rest := new(big.Int).QuoRem(new(big.Int).Mul(fee, big.NewInt(p.Token)), whole, new(big.Int))
	if rest.Sign() > 0 {
		price.Add(price, big.NewInt(1))
	}
	p.NetworkFee = p.MostNetworkFee
	if price.Cmp(big.NewInt(p.MostNetworkFee)) < 0 {
		p.NetworkFee = max(0, price.Int64())
	}
	return p
}

// Most returns prices that are never lower than those of Following.
func (p Prices) Most() Prices {
	if p.Token > 0 {
		p.NetworkFee = p.MostNetworkFee
	}
	return p
}

// Register prices a new work of size bytes.
func (p Prices) Register(size int64) Quote { return p.quote(p.BaseDeposit+p.VersionDeposit, size) }

// Update prices a version of size bytes; size is 0 when it has no new file.
func (p Prices) Update(size int64) Quote { return p.quote(p.VersionDeposit, size) }

func (p Prices) quote(deposit, size int64) Quote {
	q := Quote{NetworkFee: p.NetworkFee, Deposit: deposit, VersionDeposit: p.VersionDeposit, StorageFee: p.storage(size)}
	q.ServiceFee = ((p.NetworkFee+deposit)*p.ServiceBasisPoints + 9_999) / 10_000
	q.Total = q.NetworkFee + q.Deposit + q.ServiceFee + q.StorageFee
	return q
}

func (p Prices) storage(size int64) (fee int64) {
	mb := (size + Megabyte - 1) / Megabyte
	var from int64
	for _, t := range p.Storage {
		to := t.UpToMB
		if to == 0 || to > mb {
			to = mb
		}
		if to > from {
			fee += (to - from) * t.PerMB
			from = to
		}
	}
	return fee
}

// String is the form that ParsePrices reads.
func (p Prices) String() string {
	tiers := make([]string, len(p.Storage))
	for i, t := range p.Storage {
		end := ""
		if t.UpToMB > 0 {
			end = strconv.FormatInt(t.UpToMB, 10)
		}
		tiers[i] = fmt.Sprintf("%s:%d", end, t.PerMB)
	}
	chain := ""
	if p.Token > 0 {
		chain = fmt.Sprintf("token=%d,network-most=%d,", p.Token, p.MostNetworkFee)
	}
	return fmt.Sprintf("network=%d,%sbase=%d,version=%d,service-bp=%d,storage=%s", p.NetworkFee, chain, p.BaseDeposit, p.VersionDeposit, p.ServiceBasisPoints, strings.Join(tiers, "/"))
}

// ParsePrices reads "network=12,base=50,version=20,service-bp=500,storage=10:0/100:1/250:2/:3".
// A missing part keeps its value in base. In storage, each tier is
// END_IN_MB:CREDITS_PER_MB. The ends are ascending, and the last tier has no end.
// token and network-most are given together; network-most is at least network.
func ParsePrices(text string, base Prices) (Prices, error) {
	p := base
	if text == "" {
		return p, nil
	}
	for _, part := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name == "storage" {
			tiers, err := parseTiers(value)
			if err != nil {
				return base, err
			}
			p.Storage = tiers
			continue
		}
		target, ok := map[string]*int64{"network": &p.NetworkFee, "token": &p.Token, "network-most": &p.MostNetworkFee, "base": &p.BaseDeposit, "version": &p.VersionDeposit, "service-bp": &p.ServiceBasisPoints}[name]
		if !ok {
			return base, fmt.Errorf("prices: unknown name %q; use network, token, network-most, base, version, service-bp or storage", name)
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > 1_000_000_000 {
			return base, fmt.Errorf("prices: %s=%q must be a number from 0 to 1,000,000,000", name, value)
		}
		*target = n
	}
	switch {
	case (p.Token > 0) != (p.MostNetworkFee > 0):
		return base, errors.New("prices: token and network-most must be given together: what a token of the chain costs, and the highest network fee")
	case p.Token > 0 && p.MostNetworkFee < p.NetworkFee:
		return base, fmt.Errorf("prices: network-most=%d must be at least network=%d", p.MostNetworkFee, p.NetworkFee)
	}
	return p, nil
}

func parseTiers(text string) ([]Tier, error) {
	parts := strings.Split(text, "/")
	tiers := make([]Tier, 0, len(parts))
	var last int64
	for i, part := range parts {
		end, price, ok := strings.Cut(part, ":")
		t := Tier{}
		var err error
		if t.PerMB, err = strconv.ParseInt(price, 10, 64); err != nil || !ok || t.PerMB < 0 || t.PerMB > 1_000_000 {
			return nil, fmt.Errorf("prices: storage tier %q is not END_IN_MB:CREDITS_PER_MB", part)
		}
		if final := i == len(parts)-1; final != (end == "") {
			return nil, fmt.Errorf("prices: the last storage tier must have no end, and all others must have one: %q", text)
		}
		if end != "" {
			if t.UpToMB, err = strconv.ParseInt(end, 10, 64); err != nil || t.UpToMB <= last || t.UpToMB > 1_000_000 {
				return nil, fmt.Errorf("prices: storage tier %q must end after the tier before it", part)
			}
			last = t.UpToMB
		}
		tiers = append(tiers, t)
	}
	return tiers, nil
}
