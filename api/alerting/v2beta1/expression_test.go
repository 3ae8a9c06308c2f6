package v2beta1

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestExpressionIsRead(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		content string
		want    Expression
	}{
		"a query":                      {`"up == 0"`, "up == 0"},
		"a query with marks":           {`"up{job=\"a\"} \u003e 1"`, `up{job="a"} > 1`},
		"a number in quotes":           {`"1"`, "1"},
		"nothing in quotes":            {`""`, ""},
		"a whole number":               {`1`, "1"},
		"zero":                         {`0`, "0"},
		"a negative number":            {`-12`, "-12"},
		"the greatest":                 {`9223372036854775807`, "9223372036854775807"},
		"a whole number with fraction": {`1.0`, "1"},
		"a whole number with exponent": {`1e3`, "1000"},
		"minus zero":                   {`-0`, "0"},
		"nearly whole":                 {`1.0000000001`, "1.0000000001"},
		"beyond the exact ones":        {`1e+21`, "1e+21"},
		"beyond all":                   {`1e999`, "1e999"},
		"no value":                     {`null`, "before"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			rule := Rule{Expr: "before"}
			if err := json.Unmarshal([]byte(`{"alert": "A", "expr": `+test.content+`}`), &rule); err != nil {
				t.Fatal(err)
			}

			if rule.Expr != test.want {
				t.Errorf("read %q, want %q", rule.Expr, test.want)
			}
		})
	}
}

// What is no query is refused in words that a user can act on.
func TestExpressionIsRefused(t *testing.T) {
	t.Parallel()

	for _, content := range []string{`true`, `{}`, `["up"]`} {
		var expression Expression

		err := json.Unmarshal([]byte(content), &expression)
		if err == nil || !strings.Contains(err.Error(), "expr: must be a string") {
			t.Errorf("%s: read %q, %v", content, expression, err)
		}
	}
}

// What is read as a number is written as a string, and what is empty is left out.
func TestExpressionIsWritten(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		rule Rule
		want string
	}{
		"a query":  {Rule{Alert: "A", Expr: `up{job="a"}`}, `{"alert":"A","expr":"up{job=\"a\"}"}`},
		"a number": {Rule{Alert: "A", Expr: "1"}, `{"alert":"A","expr":"1"}`},
		"none":     {Rule{Alert: "A"}, `{"alert":"A"}`},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			content, err := json.Marshal(test.rule)
			if err != nil {
				t.Fatal(err)
			}

			if string(content) != test.want {
				t.Errorf("wrote %s, want %s", content, test.want)
			}
		})
	}
}

// A rule and its form are flat in JSON, as in KubeSphere 3.4.
func TestRulesAreFlat(t *testing.T) {
	t.Parallel()

	const content = `{"interval":"1m","rules":[{"alert":"A","expr":"1","clusterSelector":{"inValues":["a"]},` +
		`"exprBuilder":{"node":{"names":[],"comparator":"\u003e","metricThreshold":{"cpu":{"load1m":0.5}}}}}]}`

	var spec GlobalRuleGroupSpec
	if err := json.Unmarshal([]byte(content), &spec); err != nil {
		t.Fatal(err)
	}

	if spec.Interval != "1m" || spec.Rules[0].Alert != "A" ||
		*spec.Rules[0].ExprBuilder.Node.MetricThreshold.Cpu.Load1m != 0.5 {
		t.Errorf("read %+v", spec)
	}

	written, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}

	if string(written) != content {
		t.Errorf("wrote %s, want %s", written, content)
	}
}

// FuzzExpression holds that every JSON string and number is read, and that what was read comes back from what is
// written.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		`"up"`, `1`, `-0`, `1e3`, `1.5`, `null`, `"\ud800"`, "\"\xff\"", `{}`, ` 7 `, `"`, ``,
	} {
		f.Add([]byte(seed))
	}

	f.Fuzz(func(t *testing.T, content []byte) {
		var (
			expression Expression
			value      any
		)

		err := json.Unmarshal(content, &expression)
		isJSON := json.Unmarshal(content, &value) == nil

		switch value.(type) {
		case string, float64:
			if err != nil && isJSON {
				t.Fatalf("%q is not read: %v", content, err)
			}
		}

		if err != nil {
			return
		}

		written, err := json.Marshal(expression)
		if err != nil {
			t.Fatalf("%q is not written: %v", expression, err)
		}

		var again Expression
		if err := json.Unmarshal(written, &again); err != nil || again != expression {
			t.Fatalf("%q became %q, %v", expression, again, err)
		}
	})
}
