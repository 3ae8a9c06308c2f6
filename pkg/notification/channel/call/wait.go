package call

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
)

// longestWait bounds what a provider may ask for: who wants more is asked again after it.
const longestWait = time.Hour

// RetryAfter is how long the answer's header asks to be left alone, in seconds or until a date.
func (c *Caller) RetryAfter(answer *egress.Answer) time.Duration {
	value := strings.TrimSpace(answer.Header.Get("Retry-After"))

	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return Seconds(seconds)
	}

	if date, err := http.ParseTime(value); err == nil {
		return bounded(date.Sub(c.clock()))
	}

	return 0
}

// Seconds is a number of seconds as a wait that is neither negative nor longer than we wait for anybody.
func Seconds(number float64) time.Duration {
	const thousand = 1000

	if math.IsNaN(number) || number <= 0 {
		return 0
	}

	if number > longestWait.Seconds() {
		return longestWait
	}

	return time.Duration(math.Ceil(number*thousand)) * time.Millisecond
}

func bounded(wait time.Duration) time.Duration {
	return max(0, min(wait, longestWait))
}
