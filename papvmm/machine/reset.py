"""What a VMM does with the areas of its vcpus at reset.

The registrations live in the hypervisor's vcpu objects, which outlive the guest's kernel.
Unless they are taken back the hypervisor goes on storing into the old places: into the next
kernel's memory (KVM commit 55b665b0263a).
"""

from collections.abc import Iterable
from errno import errorcode

from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu


class Refusal(Value):
    """A vcpu whose areas ONE_REG did not let go: the corruption goes on."""

    vcpu_id: int
    errno: int

    def __str__(self) -> str:
        return (
            f"vcpu{self.vcpu_id}: unregistering its areas by ONE_REG at reset failed with"
            f" {errorcode[self.errno]}: they stay registered"
        )


def unregister_all(vcpus: Iterable[Vcpu], dtl_length: int) -> tuple[Refusal, ...]:
    """Ask ONE_REG for the removal of every area; return what it refused, a vcpu at a time.

    ``dtl_length`` is the length that goes with the log's address 0: KVM of v3.7 refuses less
    than one entry.
    """
    from papvmm.kvmapi.one_reg import unregister_areas  # noqa: PLC0415 - few guests reset

    answers = {vcpu.vcpu_id: unregister_areas(vcpu, dtl_length)[-1] for vcpu in vcpus}
    return tuple(Refusal(vcpu_id, -answer) for vcpu_id, answer in answers.items() if answer)
