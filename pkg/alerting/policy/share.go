package policy

// Shared tells whether the groups of a namespace depend on each other. Nothing but a policy makes them.
func (b *Bounds) Shared() bool { return b.GroupsPerNamespace.Given() || b.RulesPerNamespace.Given() }

// Share is what is left to a group by the older ones of its namespace, given by their numbers of rules: how many rules
// it may have, and the limit that it is beyond as a whole, if it is. The older ones keep what they have when another
// is made.
func (b *Bounds) Share(older []int) (allowance, surplus Bound[int]) {
	allowance = b.RulesPerGroup

	if most := b.GroupsPerNamespace; most.Given() && len(older) >= most.Value {
		surplus = most
	}

	if most := b.RulesPerNamespace; most.Given() {
		left := most.Value
		for _, rules := range older {
			left -= rules
		}

		if left = max(left, 0); left < allowance.Value {
			allowance = Bound[int]{Value: left, By: most.By}
		}
	}

	return allowance, surplus
}
