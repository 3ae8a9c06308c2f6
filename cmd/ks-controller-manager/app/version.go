package app

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersionCommand(options *options) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the binary",
		Args:  noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "%s %s %s %s/%s\n",
				options.name, options.version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return fmt.Errorf("print the version: %w", err)
			}

			return nil
		},
	}
}
