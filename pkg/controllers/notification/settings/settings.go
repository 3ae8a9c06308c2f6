// Package settings holds what operators choose for the controllers of the domain.
package settings

import "github.com/spf13/pflag"

// Settings are shared by the controllers that render something.
type Settings struct {
	// Namespace is where pods go.
	Namespace string

	// Image is the one of the service where a NotificationManager names none.
	Image string

	// Registry takes the place of the registry in Image, where given.
	Registry string

	// PullSecrets are the names of Secrets with credentials of registries.
	PullSecrets []string

	// Alertmanagers is how many pods the Alertmanager has; 0 goes by the number of nodes.
	Alertmanagers int32
}

// Default are those of a cluster that KubeSphere installed its monitoring on.
func Default() *Settings {
	return &Settings{Namespace: "kubesphere-monitoring-system", Image: "notification-manager:v0.1.0"}
}

// AddFlags adds the settings to the command line.
func (s *Settings) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&s.Namespace, "notification-namespace", s.Namespace,
		"The namespace of the pods of NotificationManagers, and of the Alertmanager.")
	flags.StringVar(&s.Image, "notification-manager-image", s.Image,
		"The image of the pods of NotificationManagers that name none.")
	flags.StringVar(&s.Registry, "notification-image-registry", s.Registry,
		"The registry, with a path or without, that takes the place of the one in --notification-manager-image.")
	flags.StringSliceVar(&s.PullSecrets, "notification-image-pull-secrets", s.PullSecrets,
		"The names of Secrets in --notification-namespace with the credentials of registries.")
	flags.Int32Var(&s.Alertmanagers, "notification-alertmanager-replicas", s.Alertmanagers,
		"The number of pods of the Alertmanager. 0: three where there are three nodes or more, and one otherwise.")
}
