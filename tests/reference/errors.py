"""What errors do to the frames of a port: the processes of docs/protocol.md, "Errors"."""

import math
from dataclasses import dataclass

from wanrdma.kernels.tables import BITS, CODEWORDS, GILBERT_ELLIOTT

from . import streams
from .records import Change, Errors, Packet, Spell

UNDRAWN = -1


@dataclass
class Line:
    """A row of the errors, and the stream that it draws from."""

    seed: int
    port: int
    byte_ps: int
    errors: Errors

    def loses(self, start_ps: int, departure_ps: int, spells: list[Spell]) -> bool:
        """Tell whether the line is down while a frame is in service, or for one moment."""
        errors = self.errors
        while errors.spell < errors.spell_end and spells[errors.spell].to_ps <= start_ps:
            errors.spell += 1
        if errors.spell == errors.spell_end:
            return False
        from_ps = spells[errors.spell].from_ps
        return from_ps < departure_ps or from_ps == start_ps == departure_ps

    def hits(self, frame: Packet, start_ps: int, changes: list[Change]) -> bool:
        """Tell whether a frame is damaged whose service starts now."""
        errors = self.errors
        self.change(start_ps, changes)
        if errors.process == GILBERT_ELLIOTT:
            return self.hits_by_turns(frame, start_ps)
        if errors.log_survival == -math.inf:  # every frame is bad
            return True
        if errors.process == CODEWORDS:
            return self.hits_by_block(frame, start_ps)
        if errors.gap == UNDRAWN:
            errors.gap = self.draw_gap()
        units = 8 * frame.stored_bytes if errors.process == BITS else 1
        is_hit = False
        while errors.gap < units:
            is_hit = True
            units -= errors.gap + 1
            errors.gap = self.draw_gap()
        errors.gap -= units
        return is_hit

    def change(self, start_ps: int, changes: list[Change]) -> None:
        """Take from the series of the port what has come into force."""
        errors = self.errors
        while errors.change < errors.change_end and changes[errors.change].time_ps <= start_ps:
            errors.log_survival = changes[errors.change].log_survival
            errors.change += 1
            errors.gap = UNDRAWN

    def hits_by_block(self, frame: Packet, start_ps: int) -> bool:
        errors, byte_ps = self.errors, self.byte_ps
        first = (start_ps + 8 * byte_ps) // errors.block_ps
        last = (start_ps + (frame.size_bytes - 12) * byte_ps - 1) // errors.block_ps
        if errors.gap < first:
            errors.gap = min(streams.LARGEST_GAP, first + self.draw_gap())
        is_hit = errors.gap <= last
        while errors.gap < last:
            errors.gap = min(streams.LARGEST_GAP, errors.gap + 1 + self.draw_gap())
        return is_hit

    def hits_by_turns(self, frame: Packet, start_ps: int) -> bool:
        errors, byte_ps = self.errors, self.byte_ps
        begin = start_ps + 8 * byte_ps
        end = start_ps + (frame.size_bytes - 12) * byte_ps
        share = errors.bad_ps / (errors.good_ps + errors.bad_ps)
        if errors.draws == 0:
            self.enter(self.draw() < share, begin)
        elif errors.until_ps <= begin:
            w = 0 if errors.is_bad else 1
            passed = errors.until_ps - begin
            left = math.exp(passed * (1 / errors.good_ps + 1 / errors.bad_ps))
            self.enter(self.draw() < share + (w - share) * left, begin)
        is_hit, done = False, 0
        while True:
            bits = 8 * (min(errors.until_ps, end) - begin) // byte_ps
            if errors.gap < bits - done:
                is_hit = True
                errors.gap = self.draw_gap()
            else:
                errors.gap -= bits - done
            done = bits
            if errors.until_ps >= end:
                return is_hit
            self.enter(not errors.is_bad, errors.until_ps)

    def enter(self, is_bad: bool, time_ps: int) -> None:
        errors = self.errors
        errors.is_bad = int(is_bad)
        mean = errors.bad_ps if is_bad else errors.good_ps
        lasts = math.floor(-math.log(1 - self.draw()) * mean)
        errors.until_ps = time_ps + 1 + lasts
        errors.gap = self.draw_gap()

    def draw_gap(self) -> int:
        errors = self.errors
        survival = errors.bad_log_survival if errors.is_bad else errors.log_survival
        if survival == 0:
            return streams.LARGEST_GAP
        return streams.gap(self.draw(), survival)

    def draw(self) -> float:
        u = streams.uniform(self.seed, streams.error_stream(self.port), self.errors.draws)
        self.errors.draws += 1
        return u
