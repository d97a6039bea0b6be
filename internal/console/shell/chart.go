package shell

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Chart is one or two rows of numbers over time, drawn on the server as SVG.
type Chart struct {
	// Title names the chart, for people who cannot see it, and above its table.
	Title string
	// Labels are the texts below the bars; only some are shown. Each has one number in every series.
	Labels []string
	Series []Series
}

// Series is one row of a chart.
type Series struct {
	Name   string
	Values []int64
}

const (
	chartWidth, chartHeight = 640, 200
	chartStart, chartTop    = 44, 12
	chartBottom             = 26
)

// bars draws stacked bars.
func (c Chart) bars(number func(int64) string) string {
	var most int64
	for i := range c.Labels {
		var sum int64
		for _, s := range c.Series {
			sum += s.Values[i]
		}
		most = max(most, sum)
	}
	top, step := scale(most)
	var b strings.Builder
	c.begin(&b, top, step, number)
	room := float64(chartWidth-chartStart) / float64(max(len(c.Labels), 1))
	bar := math.Min(room*0.72, 40)
	for i, label := range c.Labels {
		x := chartStart + room*float64(i) + (room-bar)/2
		y := float64(chartHeight - chartBottom)
		fmt.Fprintf(&b, `<g><title>%s: %s</title><rect class="hit" x="%.1f" y="%d" width="%.1f" height="%d"/>`, html.EscapeString(label), html.EscapeString(c.values(i, number)),
			chartStart+room*float64(i), chartTop, room, chartHeight-chartBottom-chartTop)
		for n, s := range c.Series {
			if h := c.height(s.Values[i], top); h > 0 {
				y -= h
				fmt.Fprintf(&b, `<rect class="bar s%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.1f"/>`, n+1, x, y, bar, h, math.Min(3, math.Min(bar, h)/2))
			}
		}
		b.WriteString(`</g>`)
	}
	c.end(&b, room)
	return b.String()
}

// line draws each series as a line with the area below it.
func (c Chart) line(number func(int64) string) string {
	var most int64
	for _, s := range c.Series {
		for _, v := range s.Values {
			most = max(most, v)
		}
	}
	top, step := scale(most)
	var b strings.Builder
	c.begin(&b, top, step, number)
	room := float64(chartWidth-chartStart) / float64(max(len(c.Labels), 1))
	for n, s := range c.Series {
		var points strings.Builder
		for i, v := range s.Values {
			fmt.Fprintf(&points, "%.1f,%.1f ", chartStart+room*(float64(i)+0.5), chartHeight-chartBottom-c.height(v, top))
		}
		if len(s.Values) > 0 {
			base := chartHeight - chartBottom
			fmt.Fprintf(&b, `<polygon class="under s%d" points="%.1f,%d %s%.1f,%d"/><polyline class="line s%d" points="%s"/>`, n+1, chartStart+room/2, base, points.String(),
				chartStart+room*(float64(len(s.Values))-0.5), base, n+1, strings.TrimSpace(points.String()))
		}
	}
	c.end(&b, room)
	return b.String()
}

func (c Chart) values(i int, number func(int64) string) string {
	var all []string
	for _, s := range c.Series {
		text := number(s.Values[i])
		if len(c.Series) > 1 {
			text = s.Name + " " + text
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func (c Chart) height(v, top int64) float64 {
	return float64(v) / float64(top) * (chartHeight - chartBottom - chartTop)
}

// begin opens the picture and draws its lines. It is hidden from screen readers, which read the table.
func (c Chart) begin(b *strings.Builder, top, step int64, number func(int64) string) {
	fmt.Fprintf(b, `<svg class="chart" viewBox="0 0 %d %d" aria-hidden="true" focusable="false">`, chartWidth, chartHeight)
	for v := int64(0); v <= top; v += step {
		y := chartHeight - chartBottom - c.height(v, top)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			chartStart, chartWidth, y, y, chartStart-8, y+4, html.EscapeString(number(v)))
	}
}

// end draws about six labels and closes the picture.
func (c Chart) end(b *strings.Builder, room float64) {
	every := max(1, (len(c.Labels)+5)/6)
	for i := len(c.Labels) - 1; i >= 0; i -= every {
		x, anchor := chartStart+room*(float64(i)+0.5), "middle"
		if i == len(c.Labels)-1 && room < 60 { // the label would leave the picture
			x, anchor = chartWidth, "end"
		}
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%d" text-anchor="%s">%s</text>`, x, chartHeight-8, anchor, html.EscapeString(c.Labels[i]))
	}
	b.WriteString(`</svg>`)
}

// scale returns the highest value of an axis, and the step between its lines: 1, 2 or 5 times a power of ten.
func scale(most int64) (top, step int64) {
	step = 1
	for i := 0; most > 4*step; i++ {
		if i%3 == 1 {
			step = step / 2 * 5
		} else {
			step *= 2
		}
	}
	return max((most+step-1)/step*step, step), step
}
