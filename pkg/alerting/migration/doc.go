// Package migration reads what earlier versions of KubeSphere left of alert rules. Of a PrometheusRule that 3.3 kept
// custom rules in it makes groups of rules that say the same, and says what they cannot say; of one that 3.4 packed its
// groups into it tells which groups these are. Whoever takes such an object away knows then what has to be there first.
package migration
