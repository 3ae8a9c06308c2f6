#!/usr/bin/env bash
#
# Writes the definition of PrometheusRule, which clusters without prometheus-operator do not have, from the module of
# its types that go.mod requires: hack/generate/foreign.sh CONTROLLER_GEN, in the root of the checkout.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Without descriptions, as it is far too large for a client-side apply with them.
"$1" crd:maxDescLen=0 output:crd:dir="$folder" \
  paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1

cp "$folder/monitoring.coreos.com_prometheusrules.yaml" config/components/prometheusrule-crd/
