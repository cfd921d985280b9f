"""The host's door: KVM's ONE_REG interface to the state of a vcpu."""
