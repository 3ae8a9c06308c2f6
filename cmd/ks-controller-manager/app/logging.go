package app

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
)

// addLoggingFlags adds the logging flags that Kubernetes' own components have.
func addLoggingFlags(options *logs.Options, flags *pflag.FlagSet) {
	logsapi.AddFlags(options, flags)
}

// addLegacyFlags accepts the flags that KubeSphere's charts, scripts and habits pass and that say nothing
// here: options of klog that Kubernetes has removed, and 4.x's own.
func addLegacyFlags(flags *pflag.FlagSet) {
	for _, name := range legacySwitches() {
		flags.Bool(name, false, "Has no effect.")
	}

	for _, name := range legacyValues() {
		flags.String(name, "", "Has no effect.")
	}

	for _, name := range slices.Concat(legacySwitches(), legacyValues()) {
		// Only a name that does not exist gives an error.
		_ = flags.MarkHidden(name)
	}
}

// legacySwitches lists flags that stand alone or are set to true or false.
func legacySwitches() []string {
	return []string{
		"add-dir-header", "add_dir_header", "alsologtostderr", "debug", "gops", "logtostderr", "one-output",
		"one_output", "skip-headers", "skip-log-headers", "skip_headers", "skip_log_headers",
	}
}

// legacyValues lists flags that take a value.
func legacyValues() []string {
	return []string{
		"log-backtrace-at", "log-dir", "log-file", "log-file-max-size", "log_backtrace_at", "log_dir", "log_file",
		"log_file_max_size", "stderrthreshold",
	}
}

// logIgnored says once what of the command line has no effect: nothing is dropped in silence.
func logIgnored(logger klog.Logger, flags *pflag.FlagSet, options *options) {
	legacy := slices.Concat(legacySwitches(), legacyValues())

	flags.Visit(func(flag *pflag.Flag) {
		if slices.Contains(legacy, flag.Name) {
			logger.Info("Ignoring a flag of KubeSphere's that has no effect here", "flag", "--"+flag.Name)
		}
	})

	names := controllers.LegacyNames(options.catalog)

	for _, element := range options.controllers {
		if name := strings.TrimPrefix(strings.TrimSpace(element), "-"); slices.Contains(names, name) {
			logger.Info("Ignoring a controller of KubeSphere's that has no counterpart here", "controller", name)
		}
	}
}
