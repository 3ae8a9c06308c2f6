package builder

import (
	"regexp"
	"strconv"
	"strings"
)

// matcher is one condition of a selector; an empty one is none.
type matcher string

// selector is the metric with those of the matchers that say something.
func (t threshold) selector(matchers ...matcher) string {
	var texts []string

	for _, matcher := range matchers {
		if matcher != "" {
			texts = append(texts, string(matcher))
		}
	}

	if len(texts) == 0 {
		return t.metric
	}

	return t.metric + "{" + strings.Join(texts, ",") + "}"
}

// exactly matches one value; without a value, any.
func exactly(label, value string) matcher {
	if value == "" {
		return ""
	}

	return matcher(label + "=" + strconv.Quote(value))
}

// named matches any of the names after a prefix, each as it is written.
func named(label, prefix string, names []string) matcher {
	names = sorted(names)

	switch len(names) {
	case 0:
		if prefix == "" {
			return ""
		}

		return matcher(label + "=~" + strconv.Quote(regexp.QuoteMeta(prefix)+".+"))
	case 1:
		return exactly(label, prefix+names[0])
	}

	for i, name := range names {
		names[i] = regexp.QuoteMeta(name)
	}

	return matcher(label + "=~" + strconv.Quote(regexp.QuoteMeta(prefix)+"("+strings.Join(names, "|")+")"))
}

// workloads matches workloads as KubeSphere's recording rules name them: Deployment:web.
func workloads(kind string, names []string) matcher {
	return named("workload", kind+":", names)
}
