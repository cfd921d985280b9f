"""A second reading of the rules of the areas, to hold the real one against.

Written from the specifications, on purpose unlike papvmm: one bytearray, plain dictionaries, a
page found by masking, every level's peculiarity spelled out where it matters. It knows no
provenance and is not meant to be fast.
"""

from struct import pack, pack_into, unpack_from

OK, PARAMETER, HARDWARE, RESOURCE, STATE, EINVAL = 0, -4, -1, -16, -75, -22
MASKS = {2: 1, 3: 1, 4: 2, 5: 4, 6: 4}


class HostIsDead(Exception):
    pass


def fresh_area():
    return {"want": 0, "len": 0, "pending": False, "at": None, "end": None}


class AreasModel:
    def __init__(self, level, page, ram_size, vcpu_ids):
        self.level = level
        self.papr = level == "papr"
        self.old = level in ("kvm-3.6", "kvm-3.7")
        self.page = page
        self.ram = bytearray(ram_size)
        self.online = {vcpu_ids[0]}
        self.log = []
        self.dirty = set()
        self.vcpus = {
            number: {
                "vpa": fresh_area(), "dtl": fresh_area(), "slb": fresh_area(),
                "next": None, "index": 0, "seen": 0,
            }
            for number in vcpu_ids
        }  # fmt: skip

    def write(self, gpa, data):
        self.ram[gpa : gpa + len(data)] = data
        self.log.append((gpa, bytes(data)))

    def left(self, name, gpa):
        """Bytes from ``gpa`` on that an area may have."""
        if gpa >= len(self.ram):
            return 0
        if self.papr:
            left = 4096 if name == "dtl" else 4096 - (gpa & 4095)
        else:
            left = self.page - (gpa & (self.page - 1))
        return min(left, len(self.ram) - gpa)

    # H_REGISTER_VPA

    def there_is(self, area):
        return bool(area["want"]) if area["pending"] else area["at"] is not None

    def hcall(self, caller, flags, target, gpa):
        if not self.papr:
            target &= 0xFFFF_FFFF
            target -= (target >> 31) << 32
        vcpu = self.vcpus.get(target)
        sub = (flags >> 45) & 7
        if vcpu is None or sub in (0, 4) or (self.papr and flags != sub << 45):
            return PARAMETER
        name = {1: "vpa", 2: "dtl", 3: "slb"}[sub & 3]
        if sub > 4:
            if name == "vpa" and (self.there_is(vcpu["slb"]) or self.there_is(vcpu["dtl"])):
                return RESOURCE
            return self.ask(target, name, 0, 0)
        if gpa == 0 and self.papr:
            return HARDWARE
        left = self.left(name, gpa)
        if gpa == 0 or gpa & 127 or not left:
            return PARAMETER
        if self.papr and name != "dtl" and target in self.online and target != caller:
            return STATE
        size = unpack_from(">H" if name == "vpa" else ">I", self.ram, gpa + 4)[0]
        least = {"vpa": 1024 if self.old else 640, "dtl": 48, "slb": 8}[name]
        if size > left or size < least:
            return PARAMETER
        if name != "vpa" and not self.there_is(vcpu["vpa"]):
            return RESOURCE
        return self.ask(target, name, gpa, size // 48 * 48 if name == "dtl" else size)

    def ask(self, number, name, gpa, size):
        area = self.vcpus[number][name]
        area["want"], area["len"], area["pending"] = gpa, size, True
        if self.papr:
            self.apply(self.vcpus[number], name)
        return OK

    # ONE_REG

    def get(self, number, name):
        area = self.vcpus[number][name]
        if self.level == "kvm-3.6":
            return EINVAL
        return (area["want"],) if name == "vpa" else (area["want"], area["len"])

    def set(self, number, name, gpa, size):
        if self.level == "kvm-3.6":
            return EINVAL
        want = {key: self.vcpus[number][key]["want"] for key in ("vpa", "dtl", "slb")}
        if name == "vpa":
            refused = not gpa and (want["slb"] or want["dtl"])
            size = 1024 if self.old else 640
        elif name == "slb":
            refused = gpa and not want["vpa"]
        else:
            refused = gpa and (size < 48 or not want["vpa"])
            if self.level == "kvm-3.7" and size < 48:
                refused = True
            size = size // 48 * 48
        if refused or gpa & 127:
            return EINVAL
        area = self.vcpus[number][name]
        if area["want"] != gpa or area["len"] != size:
            self.ask(number, name, gpa, size if gpa else 0)
        return OK

    def reset(self, number, dtl_length):
        answers = []
        for name, size in (("slb", 0), ("dtl", dtl_length), ("vpa", 0)):
            answers.append(self.set(number, name, 0, size))
            if answers[-1]:
                break
        return tuple(answers)

    # Entry and exit

    def apply(self, vcpu, name):
        area = vcpu[name]
        area["pending"] = False
        gpa, size = area["want"], area["len"]
        if gpa and self.left(name, gpa) and self.left(name, gpa) >= size:
            area["at"], area["end"] = gpa, gpa + size
        else:
            area["at"] = area["end"] = None
        if name == "dtl":
            vcpu["next"], vcpu["index"] = area["at"], 0
        if name == "vpa":
            if area["at"] is None:
                if self.level == "kvm-3.6":
                    raise HostIsDead
                return
            self.write(gpa + 9, bytes([self.ram[gpa + 9] | 2]))
            if not self.papr:
                self.write(gpa + 0x100, pack(">I", 1))

    def apply_all(self, number):
        vcpu = self.vcpus[number]
        for name in ("vpa", "dtl", "slb"):
            if vcpu[name]["pending"]:
                self.apply(vcpu, name)

    def tryenter(self, number):
        if self.level != "kvm-power8":
            self.apply_all(number)

    def enter(self, number, tb, pcpu, stolen, pc, msr, reason, preempted):
        self.online.add(number)
        self.apply_all(number)
        vcpu = self.vcpus[number]
        vpa = vcpu["vpa"]["at"]
        delta = stolen - vcpu["seen"]
        if vpa is not None or self.old or self.level == "kvm-power8":
            vcpu["seen"] = stolen
        if vpa is not None:
            if self.level in ("kvm", "papr"):
                self.write(vpa + 0x158, pack(">Q", stolen % 2**64))
            if self.level == "kvm-power8":
                before = unpack_from(">Q", self.ram, vpa + 0x158)[0]
                self.write(vpa + 0x158, pack(">Q", (before + delta) % 2**64))
            logs = vcpu["next"] is not None
            if self.papr and not self.ram[vpa + 0xB8] & MASKS.get(preempted, 0):
                logs = False
            if logs:
                entry = bytearray(48)
                entry[0:2] = bytes([reason, preempted] if self.papr else [7, 0])
                pack_into(">H", entry, 2, pcpu % 2**16)
                pack_into(">I", entry, 4, delta % 2**32)
                pack_into(">Q", entry, 0x10, tb % 2**64)
                pack_into(">QQ", entry, 0x20, pc % 2**64, msr % 2**64)
                self.write(vcpu["next"], entry)
                vcpu["next"] += 48
                if vcpu["next"] == vcpu["dtl"]["end"]:
                    vcpu["next"] = vcpu["dtl"]["at"]
                vcpu["index"] += 1
                self.write(vpa + 0x218, pack(">Q", vcpu["index"]))
        self.count(vpa, odd=0)

    def exit(self, number):
        self.count(self.vcpus[number]["vpa"]["at"], odd=1)

    def count(self, vpa, odd):
        if vpa is None:
            return
        count = unpack_from(">I", self.ram, vpa + 0x100)[0] + 1
        if self.papr and count & 1 != odd:
            count += 1
        self.write(vpa + 0x100, pack(">I", count % 2**32))
        if self.level in ("kvm", "kvm-power8"):
            self.dirty.add(vpa // self.page)
