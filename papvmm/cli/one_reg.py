"""``papvmm one-reg``: get or set a register of a running guest by KVM's ONE_REG."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from papvmm.cli import options
from papvmm.cli.exit_codes import ExitCode
from papvmm.control.qmp.client import CommandFailed, QmpClient
from papvmm.errors import BadInput, BadUsage
from papvmm.kvmapi.one_reg import register_id, register_name

_PARTS: Final = {
    "KVM_REG_PPC_VPA_ADDR": ("address",),
    "KVM_REG_PPC_VPA_SLB": ("address", "length"),
    "KVM_REG_PPC_VPA_DTL": ("address", "length"),
}
"""What the doublewords of a register are called."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm one-reg``."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="get|set")
    for verb, what in (("get", "print a register"), ("set", "change a register")):
        add = verbs.add_parser(verb, description=what, allow_abbrev=False).add_argument
        add("socket", metavar="SOCKET", help="control socket of the guest (run's -qmp unix:SOCKET)")
        add("vcpu", metavar="VCPU", type=options.number, help="the vcpu's number")
        add("register", metavar="REGISTER", help="KVM's name (VPA_ADDR, KVM_REG_PPC_DSCR) or id")
        if verb == "set":
            add("values", metavar="VALUE", nargs="+", type=options.number,
                help="its value; of an area the address, and the length")  # fmt: skip


def run(args: Namespace) -> int:
    """Get or set the register; a refusal is a finding."""
    try:
        reg_id = register_id(args.register)
    except BadInput as error:
        raise BadUsage(str(error)) from None
    with QmpClient(args.socket) as qmp:
        try:
            if args.verb == "set":
                qmp.execute("x-papvmm-one-reg-set", vcpu=args.vcpu, id=reg_id, value=args.values)
            else:
                answer = qmp.execute("x-papvmm-one-reg-get", vcpu=args.vcpu, id=reg_id)
                print(shown(register_name(reg_id), answer))
        except CommandFailed as error:
            print(f"papvmm: {register_name(reg_id)}: {error}", file=sys.stderr)
            return ExitCode.FINDING
    return ExitCode.DONE


def shown(name: str, answer: object) -> str:
    """Return a register as people read it; BadInput if that is no answer of papvmm's."""
    match answer:
        case {"value": [*values]} if all(isinstance(value, int) for value in values):
            parts = _PARTS.get(name, ("",) * len(values))
            labelled = (f" {part} {value:#x}" for part, value in zip(parts, values, strict=False))
            return name + "".join(labelled).replace("  ", " ")
        case _:
            raise BadInput(f"the server's answer is no register: {answer}")
