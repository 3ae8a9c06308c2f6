package evaluation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// maxLabelBytes bounds what the labels of all series may take together: recorded from themselves, they could
// double with every evaluation.
const maxLabelBytes = 4 << 20

// What is wrong with a sample that cannot be kept.
var (
	errOutOfOrder = errors.New("there is a later sample of this series already")
	errDuplicate  = errors.New("there is another sample of this series for the same time already")
	errNoLabels   = errors.New("a series needs at least one label")
	errTwice      = errors.New("a series has each label once")
)

// point is one sample of a series: a number, or a histogram.
type point struct {
	at        int64
	value     float64
	histogram *histogram.FloatHistogram
}

type series struct {
	labels  labels.Labels
	points  []point
	encoder chunkenc.Appender // of the histograms that came last, nil after a number
}

// store holds series in memory, in the order in which they came.
type store struct {
	budget     *Budget
	series     []*series
	byHash     map[uint64][]*series
	byName     map[string][]*series
	labelBytes int
}

func newStore(budget *Budget) *store {
	return &store{budget: budget, byHash: map[uint64][]*series{}, byName: map[string][]*series{}}
}

// add keeps a sample, by the rules of Prometheus' storage: later than what is there, or the very same.
func (s *store) add(set labels.Labels, p point) error {
	if err := s.budget.spend(priceStored + sizeOfHistogram(p)/perByte); err != nil {
		return err
	}

	target, err := s.find(set.WithoutEmpty())
	if err != nil {
		return err
	}

	if len(target.points) > 0 {
		last := target.points[len(target.points)-1]

		switch {
		case last.at > p.at:
			return fmt.Errorf("%s: %w", set, errOutOfOrder)
		case last.at == p.at && same(last, p):
			return nil
		case last.at == p.at:
			return fmt.Errorf("%s: %w", set, errDuplicate)
		}
	}

	hinted, err := target.hinted(p)
	if err != nil {
		return fmt.Errorf("%s: %w", set, err)
	}

	target.points = append(target.points, hinted)

	return nil
}

// hinted says of a histogram whether its counters were reset since the one before, as far as Prometheus'
// storage lets its readers know: it asks the storage's own encoding. Only the cuts that the storage makes when
// a chunk is full are not known here.
func (s *series) hinted(p point) (point, error) {
	if p.histogram == nil {
		if !value.IsStaleNaN(p.value) {
			s.encoder = nil
		}

		if s.encoder == nil {
			return p, nil
		}

		// In a series of histograms, the end of it is a histogram.
		p.value, p.histogram = 0, &histogram.FloatHistogram{Sum: p.value}
	}

	begins, err := s.encode(p)
	if err != nil {
		return p, fmt.Errorf("cannot encode the histogram: %w", err)
	}

	p.histogram = p.histogram.Copy()

	switch {
	case p.histogram.CounterResetHint == histogram.GaugeType:
	case begins:
		p.histogram.CounterResetHint = histogram.UnknownCounterReset
	default:
		p.histogram.CounterResetHint = histogram.NotCounterReset
	}

	return p, nil
}

// encode adds a histogram to a chunk and says whether a new chunk begins with it.
func (s *series) encode(p point) (begins bool, err error) {
	encoder := s.encoder
	if encoder == nil {
		begins = true

		encoder, err = chunkenc.NewFloatHistogramChunk().Appender()
		if err != nil {
			return false, err //nolint:wrapcheck // by the caller
		}
	}

	chunk, recoded, encoder, err := encoder.AppendFloatHistogram(nil, 0, p.at, p.histogram.Copy(), false)
	s.encoder = encoder

	return begins || chunk != nil && !recoded, err //nolint:wrapcheck // by the caller
}

func sizeOfHistogram(p point) float64 {
	if p.histogram == nil {
		return 0
	}

	return float64(p.histogram.Size())
}

func same(a, b point) bool {
	if a.histogram == nil || b.histogram == nil {
		return a.histogram == b.histogram && math.Float64bits(a.value) == math.Float64bits(b.value)
	}

	return a.histogram.Equals(b.histogram)
}

// find returns the series with these labels, a new one where there is none.
func (s *store) find(set labels.Labels) (*series, error) {
	hash := set.Hash()
	for _, known := range s.byHash[hash] {
		if labels.Equal(known.labels, set) {
			return known, nil
		}
	}

	if err := s.admit(set); err != nil {
		return nil, err
	}

	added := &series{labels: set}
	name := set.Get(model.MetricNameLabel)

	s.series = append(s.series, added)
	s.byHash[hash] = append(s.byHash[hash], added)
	s.byName[name] = append(s.byName[name], added)

	return added, nil
}

// admit checks the labels of a new series.
func (s *store) admit(set labels.Labels) error {
	if set.IsEmpty() {
		return errNoLabels
	}

	if name, twice := set.HasDuplicateLabelNames(); twice {
		return fmt.Errorf("%s: label %s: %w", set, name, errTwice)
	}

	s.labelBytes += len(set.Bytes(nil))
	if s.labelBytes > maxLabelBytes {
		s.budget.err = fmt.Errorf("%w: the labels of all series take more than %d bytes", ErrBudget, maxLabelBytes)
	}

	return s.budget.Err()
}

// Querier implements storage.Queryable.
//
//nolint:ireturn // the interface of the engine
func (s *store) Querier(from, to int64) (storage.Querier, error) {
	return &querier{store: s, from: from, to: to}, nil
}

// querier reads the samples of a stretch of time.
type querier struct {
	store    *store
	from, to int64
}

// Select implements storage.Querier.
//
//nolint:ireturn // the interface of the engine
func (q *querier) Select(
	_ context.Context, sorted bool, _ *storage.SelectHints, matchers ...*labels.Matcher,
) storage.SeriesSet {
	var found []*series

	for _, candidate := range q.candidates(matchers) {
		if err := q.store.budget.spend(1 + toMatch(candidate.labels, matchers)); err != nil {
			return storage.ErrSeriesSet(err)
		}

		if matches(candidate.labels, matchers) {
			found = append(found, candidate)
		}
	}

	if sorted {
		slices.SortStableFunc(found, func(a, b *series) int { return labels.Compare(a.labels, b.labels) })
	}

	return &seriesSet{querier: q, series: found}
}

// candidates returns the series of the name that is asked for, or all of them.
func (q *querier) candidates(matchers []*labels.Matcher) []*series {
	for _, matcher := range matchers {
		if matcher.Name == model.MetricNameLabel && matcher.Type == labels.MatchEqual {
			return q.store.byName[matcher.Value]
		}
	}

	return q.store.series
}

// toMatch returns what matching costs: a regular expression takes time by its own length times that of the
// value.
func toMatch(set labels.Labels, matchers []*labels.Matcher) float64 {
	cost := 0

	for _, matcher := range matchers {
		if matcher.Type == labels.MatchRegexp || matcher.Type == labels.MatchNotRegexp {
			cost += len(matcher.Value) * len(set.Get(matcher.Name))
		}
	}

	return float64(cost) / perByte
}

func matches(set labels.Labels, matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(set.Get(m.Name)) })
}

// LabelValues implements storage.LabelQuerier; an instant query has no use for it.
func (*querier) LabelValues(
	context.Context, string, *storage.LabelHints, ...*labels.Matcher,
) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames implements storage.LabelQuerier; an instant query has no use for it.
func (*querier) LabelNames(
	context.Context, *storage.LabelHints, ...*labels.Matcher,
) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close implements storage.LabelQuerier.
func (*querier) Close() error { return nil }

// seriesSet walks over the series that a selector has found.
type seriesSet struct {
	querier *querier
	series  []*series
	next    int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool {
	s.next++

	return s.next <= len(s.series)
}

// At implements storage.SeriesSet.
//
//nolint:ireturn // the interface of the engine
func (s *seriesSet) At() storage.Series {
	return view{series: s.series[s.next-1], from: s.querier.from, to: s.querier.to}
}

// Err implements storage.SeriesSet.
func (*seriesSet) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// view is a series within a stretch of time.
type view struct {
	series   *series
	from, to int64
}

// Labels implements storage.Series.
func (v view) Labels() labels.Labels { return v.series.labels }

// Iterator implements storage.Series.
//
//nolint:ireturn // the interface of the engine
func (v view) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	points := v.series.points
	begin, end := firstFrom(points, v.from), firstFrom(points, v.to+1)

	return &iterator{points: points[begin:max(begin, end)], current: -1}
}

// firstFrom returns the index of the first sample at a time or after it.
func firstFrom(points []point, at int64) int {
	index, _ := slices.BinarySearchFunc(points, at, func(p point, at int64) int { return cmp.Compare(p.at, at) })

	return index
}

// iterator walks over samples.
type iterator struct {
	points  []point
	current int
}

// Next implements chunkenc.Iterator.
func (i *iterator) Next() chunkenc.ValueType {
	i.current = min(i.current+1, len(i.points))

	return i.kind()
}

// Seek implements chunkenc.Iterator.
//
//nolint:govet // it is not io.Seeker's
func (i *iterator) Seek(at int64) chunkenc.ValueType {
	begin := max(i.current, 0)
	rest := i.points[begin:]
	i.current = begin + firstFrom(rest, at)

	return i.kind()
}

func (i *iterator) kind() chunkenc.ValueType {
	switch {
	case i.current >= len(i.points):
		return chunkenc.ValNone
	case i.points[i.current].histogram != nil:
		return chunkenc.ValFloatHistogram
	default:
		return chunkenc.ValFloat
	}
}

// At implements chunkenc.Iterator.
func (i *iterator) At() (at int64, value float64) {
	return i.points[i.current].at, i.points[i.current].value
}

// AtHistogram implements chunkenc.Iterator. There are no histograms of integers here.
func (i *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return i.points[i.current].at, nil
}

// AtFloatHistogram implements chunkenc.Iterator.
func (i *iterator) AtFloatHistogram(into *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	p := i.points[i.current]
	if into == nil {
		return p.at, p.histogram.Copy()
	}

	p.histogram.CopyTo(into)

	return p.at, into
}

// AtT implements chunkenc.Iterator.
func (i *iterator) AtT() int64 { return i.points[i.current].at }

// AtST implements chunkenc.Iterator. Nothing has a start timestamp here.
func (*iterator) AtST() int64 { return 0 }

// Err implements chunkenc.Iterator.
func (*iterator) Err() error { return nil }
