"""What comes out of a run, on small tables made by hand with figures worked out by hand."""

import dataclasses
import io
import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import xarray

from wanrdma.build.network import Happening, Network
from wanrdma.engine import Outcome
from wanrdma.errors import OutputError
from wanrdma.kernels import tables as kt
from wanrdma.results import table, trace
from wanrdma.results.cycles import cycles
from wanrdma.results.summary import COUNTERS, summarise

US = 10**6  # picoseconds
MS = 10**9
BIN_PS = 10 * US

PORTS = ["a.host0>a.switch", "a.switch>a.host0", "a.switch>b.host0", "b.host0>a.switch"]
DONE = Outcome("completed", "every operation finished", 2.0, 1.5)


def make_network(flows: int = 2) -> Network:
    """Two hosts and a switch; flows of 8192 B, of which flow 0 has two queue pairs.

    Queue pair 3 returns credits and is of no flow. The run ends at 25 us: in the third bin.
    """
    flow_of = [*([0] if flows else []), *range(flows), -1]
    pairs = len(flow_of)
    used = {
        "run": np.zeros(1, kt.run),
        "ports": np.zeros(4, kt.port),
        "lanes": np.zeros(4 * kt.PRIORITIES, kt.lane),
        "requesters": np.zeros(pairs, kt.requester),
        "responders": np.zeros(pairs, kt.responder),
        "operations": np.zeros(flows + 2, kt.operation),
        "flows": np.zeros(flows, kt.flow),
        "goodput_bins": np.zeros((flows, 8), np.int64),
        "queue_bins": np.zeros((4, 8), np.int64),
        "pause_bins": np.zeros((4, 8), np.int64),
        "sent_bins": np.zeros((4, 8), np.int64),
    }
    # The other tables are the emulator's own: results do not look at them.
    log = np.array([(US, kt.PAUSE, 11, -1), (2 * US, kt.QP_ERROR, 0, 5)], kt.logged)
    stalls = np.array([(9 * US, 0, 5, 2 * US, 4 * US, 9 * US, kt.BY_NAK, 1, 1)], kt.stall)
    group = kt.Group(
        **{name: {"log": log, "stalls": stalls}.get(name) for name in kt.Group._fields}
    )
    used["groups"] = [group]
    tables = kt.Tables(**{name: used.get(name) for name in kt.Tables._fields})
    run = tables.run[0]
    run["log_size"], run["stalls_size"] = 2, 1
    tables.requesters["stalls"][:1], tables.requesters["stalled_ps"][:1] = 1, 7 * US
    tables.lanes["pauses"][11] = 40
    tables.requesters["req_transport_retries_exceeded"][:1] = 1
    run["clock_ps"] = 25 * US
    tables.ports["tx_packets"][3] = 3_000_000
    run["bin"], run["bin_width_ps"] = 2, BIN_PS
    tables.ports["ps_per_byte"] = 20  # 400 Gb/s
    tables.lanes["paused_since_ps"] = kt.NEVER_PS
    tables.operations["kind"] = kt.SEND
    tables.operations["status"] = kt.DONE
    tables.operations["bytes"] = 8192
    tables.operations["flow"] = [*range(flows), -1, -1]
    tables.operations["start_ps"][-1] = kt.NOWHERE
    tables.operations["kind"][-2] = kt.COMPUTE
    tables.flows["delivered_bytes"] = 8192
    tables.flows["first_bit_ps"] = 1 * US
    tables.flows["first_delivery_ps"] = 5 * US
    tables.flows["first_delivery_bytes"] = 4096
    tables.flows["last_delivery_ps"] = 21 * US
    tables.goodput_bins[:, 0] = 4096
    tables.goodput_bins[:, 2] = 4096
    tables.goodput_bins[:, 3:] = -1  # past the end of the run: must not be read
    return Network(
        tables=tables,
        port_names=list(PORTS),
        flow_names=[f"write.{f}" for f in range(flows)],
        queue_pair_names=[f"pair{q}" for q in range(pairs)],
        queue_pair_flow=flow_of,
        operation_names=[f"write.{o}" for o in range(flows + 2)],
        happenings=[Happening("line 0 down", 10**9, -1, 0)],
    )


def make_scenario(name: str = "small") -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        seed=1,
        stop=None,
        sites={"a": None, "b": None},
        lines=[],
        convergence=lambda site: 16.0 if site == "a" else None,
    )


def make_loaded(name: str = "small") -> SimpleNamespace:
    return SimpleNamespace(
        scenario=make_scenario(name), text="name: small  # ε\n", origin="small.yaml"
    )


def summary_of(network: Network, outcome: Outcome = DONE):
    return summarise(make_scenario(), network, outcome, seed=7)


def write(tmp_path: Path, network: Network, name: str = "x.h5", **options) -> Path:
    return trace.write_trace(
        tmp_path / name, make_loaded(), summary_of(network), "wanrdma run", **options
    )


def shown(network: Network, result=None) -> str:
    console = table.new_console(io.StringIO())
    table.show(result or summary_of(network), make_scenario(), network, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


# Summary


def test_completion_runs_from_the_first_bit_to_the_last_byte():
    flow = summary_of(make_network()).flows[0]
    assert flow.bytes == 8192
    assert flow.completion_s == 20e-6
    assert flow.goodput_bps == 3_276_800_000.0


def test_steady_goodput_leaves_out_the_first_packet_and_its_way():
    flow = summary_of(make_network()).flows[0]
    assert flow.steady_goodput_bps == pytest.approx(4096 * 8 / 16e-6, rel=1e-15)


def test_one_packet_has_no_steady_goodput():
    network = make_network()
    network.tables.flows["first_delivery_bytes"] = 8192
    network.tables.flows["last_delivery_ps"] = 5 * US
    flow = summary_of(network).flows[0]
    assert flow.steady_goodput_bps is None
    assert flow.completion_s == 4e-6


def test_what_was_not_all_delivered_has_no_completion():
    network = make_network()
    network.tables.flows["delivered_bytes"][1] = 8191
    done, cut = summary_of(network).flows
    assert done.completion_s is not None
    assert (cut.completion_s, cut.goodput_bps) == (None, None)
    assert cut.steady_goodput_bps == pytest.approx(4095 * 8 / 16e-6)
    assert cut.counters["delivered_bytes"] == 8191


def test_a_flow_that_never_began_is_all_none():
    network = make_network()
    for name in ("first_bit_ps", "first_delivery_ps", "last_delivery_ps"):
        network.tables.flows[name] = kt.NOWHERE
    network.tables.flows["delivered_bytes"] = 0
    network.tables.flows["first_delivery_bytes"] = 0
    flow = summary_of(network).flows[0]
    assert (flow.completion_s, flow.goodput_bps, flow.steady_goodput_bps) == (None, None, None)


def test_the_bytes_asked_for_are_those_of_the_flows_messages_only():
    network = make_network()
    network.tables.operations["flow"] = [0, 0, 0, -1]  # a computation, and returned credits
    assert [flow.bytes for flow in summary_of(network).flows] == [16384, 0]


def test_large_sizes_and_times_stay_exact():
    network = make_network()
    network.tables.operations["bytes"] = 2**60
    network.tables.flows["delivered_bytes"] = 2**60
    network.tables.flows["first_bit_ps"] = 0
    network.tables.flows["last_delivery_ps"] = 8 * 10**18
    flow = summary_of(network).flows[0]
    assert flow.completion_s == 8e6
    assert flow.goodput_bps == 2**60 * 8 / 8e6


@pytest.mark.parametrize("name", COUNTERS)
def test_counters_are_sums_over_the_flows_queue_pairs(name):
    network = make_network()
    network.tables.of_queue_pairs(name)[:] = [1, 10, 100, 1000]
    first, second = summary_of(network).flows
    assert first.counters[name] == 11
    assert second.counters[name] == 100


def test_totals_take_all_queue_pairs_and_ports():
    network = make_network()
    tables = network.tables
    tables.lanes["drops_congestion"][[3, 11]] = [5, 6]
    tables.ports["rx_crc_errors"] = [1, 0, 2, 0]
    tables.ports["tx_pause"] = [0, 7, 8, 0]
    for name, values in {
        "retransmitted_packets": [1, 2, 3, 4],
        "packet_seq_err": [0, 1, 0, 1],
        "local_ack_timeout_err": [3, 0, 0, 0],
        "in_error": [0, 0, 0, 1],
    }.items():
        tables.requesters[name] = values
    assert summary_of(network).totals == {
        "drops_congestion": 11,
        "drops_error": 3,
        "lost_on_line": 0,
        "drops_watchdog": 0,
        "retransmitted_packets": 10,
        "naks": 2,
        "timeouts": 3,
        "qp_errors": 1,
        "pause_frames": 15,
    }


def test_a_lossless_drop_names_the_buffer_and_what_it_lacked():
    network = make_network()
    lane = network.tables.lanes[2 * 8 + 3]
    lane["ingress_limit_bytes"], lane["missing_bytes"], lane["drops_congestion"] = 5000, 900, 3
    (drop,) = summary_of(network).to_json()["congestion_drops"]
    assert drop == {
        "port": "a.switch>b.host0",
        "priority": 3,
        "packets": 3,
        "buffer_bytes": 5000,
        "missing_bytes": 900,
        "as": "ingress",
    }


def test_a_lossy_drop_names_the_queue_and_its_limit():
    network = make_network()
    lane = network.tables.lanes[1 * 8]
    lane["queue_limit_bytes"], lane["drops_congestion"] = 4000, 2
    (drop,) = summary_of(network).to_json()["congestion_drops"]
    assert drop == {
        "port": "a.switch>a.host0",
        "priority": 0,
        "packets": 2,
        "buffer_bytes": 4000,
        "missing_bytes": None,
        "as": "egress",
    }


def test_a_lossless_lane_that_only_dropped_lossy_arrivals_counts_as_egress():
    network = make_network()
    lane = network.tables.lanes[1 * 8 + 3]
    lane["ingress_limit_bytes"], lane["queue_limit_bytes"] = 9000, 4000
    lane["drops_congestion"] = 2
    (drop,) = summary_of(network).drops
    assert (drop.side, drop.buffer_bytes) == ("egress", 4000)


def test_the_worst_drop_comes_first():
    network = make_network()
    network.tables.lanes["drops_congestion"][[3, 11, 19]] = [1, 7, 3]
    assert [drop.packets for drop in summary_of(network).drops] == [7, 3, 1]


def test_json_has_the_promised_keys_and_plain_values():
    given = summary_of(make_network()).to_json()
    assert list(given) == [
        "scenario",
        "seed",
        "status",
        "reason",
        "simulated_s",
        "wall_s",
        "cpu_s",
        "packet_hops",
        "cycles",
        "flows",
        "totals",
        "max_queue_bytes",
        "trace",
        "congestion_drops",
        "ports",
        "losses",
        "costliest_losses",
        "warnings",
    ]
    assert list(given["flows"][0]) == [
        "name",
        "bytes",
        "completion_s",
        "goodput_bps",
        "steady_goodput_bps",
        "counters",
    ]
    assert json.loads(json.dumps(given, allow_nan=False)) == given
    assert given["simulated_s"] == 25e-6
    assert (given["wall_s"], given["cpu_s"], given["packet_hops"]) == (2.0, 1.5, 3_000_000)
    assert (given["seed"], given["trace"]) == (7, None)


def jumping(network: Network, hops: int, handled: int, jumped: int) -> Network:
    """Let a run of 3,000,000 packet-hops have left out some."""
    run = network.tables.run[0]
    run["jumps"], run["jumped_hops"] = 1200, hops
    run["events"], run["jumped_events"] = handled, jumped
    return network


def test_json_says_what_was_done_at_once():
    given = summary_of(jumping(make_network(), 1_500_000, 1_000_000, 3_000_000)).to_json()
    assert given["cycles"] == {
        "exact_events": False,
        "jumps": 1200,
        "packet_hops": 3_000_000,
        "jumped_packet_hops": 1_500_000,
        "handled_events": 1_000_000,
        "jumped_events": 3_000_000,
        "share_of_packet_hops": 0.5,
        "share_of_events": 0.75,
    }


def test_what_was_done_at_once_is_summed_over_the_groups():
    network = make_network()
    network.tables.run[0]["jumped_hops"] = 5
    both = np.concatenate([network.tables.run, network.tables.run])
    network.tables = network.tables._replace(run=both)
    assert cycles(network.tables).jumped_packet_hops == 10


def test_where_nothing_happened_nothing_was_left_out():
    network = make_network()
    network.tables.ports["tx_packets"] = 0
    given = summary_of(network).to_json()["cycles"]
    assert (given["share_of_packet_hops"], given["share_of_events"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("hops", "handled", "jumped", "said"),
    [
        (1_500_000, 1, 3, "50.0 % of the packet-hops and 75.0 % of the events"),
        (2_999_999, 1, 10**6, "more than 99.9 % of the packet-hops and more than 99.9 % of"),
        (1, 10**6, 1, "less than 0.1 % of the packet-hops and less than 0.1 % of"),
    ],
)
def test_the_table_says_what_was_done_at_once_and_never_that_all_was(hops, handled, jumped, said):
    (line,) = [
        line
        for line in shown(jumping(make_network(), hops, handled, jumped)).splitlines()
        if line.startswith("Cycles: ")
    ]
    assert line.startswith(f"Cycles: {said}")
    assert line.endswith(" done at once, in 1,200 jumps.")


def test_the_table_says_whether_cycles_were_looked_for():
    network = make_network()
    assert "Cycles: none; every event was handled." in shown(network)
    network.tables.run["is_exact"] = 1
    assert "Cycles: not looked for; every event was handled." in shown(network)


def test_port_counters_bear_mlx5s_names_and_leave_out_zeros():
    network = make_network()
    network.tables.lanes["rx_pause"][1 * kt.PRIORITIES + 3] = 9
    network.tables.ports["tx_packets"][2] = 4
    given = summary_of(network).to_json()["ports"]
    assert given[PORTS[1]] == {"rx_prio3_pause": 9}
    assert given[PORTS[2]] == {"tx_packets_phy": 4}
    assert given[PORTS[0]] == {}


def test_largest_queues_are_given_for_every_port():
    network = make_network()
    network.tables.ports["max_queued_bytes"] = [1, 2, 3, 4]
    assert summary_of(network).max_queue_bytes == dict(zip(PORTS, [1, 2, 3, 4], strict=True))


# Trace


def test_goodput_divides_the_last_bin_by_its_own_length(tmp_path):
    with h5py.File(write(tmp_path, make_network())) as file:
        assert file["time"][:].tolist() == [0.0, 10e-6, 20e-6]
        assert file["time_width"][:].tolist() == [10e-6, 10e-6, 5e-6]
        expected = [4096 * 8 / 10e-6, 0.0, 4096 * 8 / 5e-6]
        assert file["goodput"][0] == pytest.approx(expected, rel=1e-12)


def test_goodput_adds_up_to_the_bytes_delivered(tmp_path):
    with h5py.File(write(tmp_path, make_network())) as file:
        bits = file["goodput"][:] @ file["time_width"][:]
        assert bits == pytest.approx(8 * file["delivered_bytes"][:])


def test_a_last_bin_of_no_length_joins_the_one_before(tmp_path):
    network = make_network()
    network.tables.run[0]["clock_ps"] = 2 * BIN_PS
    network.tables.queue_bins[0] = [1, 2, 3, -1, -1, -1, -1, -1]
    with h5py.File(write(tmp_path, network)) as file:
        assert file["time"][:].tolist() == [0.0, 10e-6]
        assert file["goodput"][0] == pytest.approx([4096 * 8 / 10e-6] * 2)
        assert file["queue_max"][0].tolist() == [1, 3]


def test_a_run_that_took_no_time_has_no_rates(tmp_path):
    network = make_network()
    network.tables.run[0]["clock_ps"] = 0
    network.tables.run[0]["bin"] = 0
    with h5py.File(write(tmp_path, network)) as file:
        assert file["goodput"][:].tolist() == [[0.0], [0.0]]


def test_bytes_sent_at_the_very_end_are_of_the_last_bin(tmp_path):
    network = make_network()
    network.tables.run[0]["clock_ps"] = 2 * BIN_PS
    network.tables.sent_bins[2] = [100, 20, 3, -1, -1, -1, -1, -1]
    with h5py.File(write(tmp_path, network)) as file:
        assert file["sent"][2].tolist() == [100, 23]
        assert file["sent"].attrs["units"] == "byte"


def test_pause_fraction_sums_priorities_over_the_bins_length(tmp_path):
    network = make_network()
    network.tables.pause_bins[1, :3] = [5 * US, 0, 10 * US]  # two priorities in the last 5 us
    with h5py.File(write(tmp_path, network)) as file:
        assert file["pause_fraction"][1] == pytest.approx([0.5, 0.0, 2.0])


def test_pause_duration_counts_a_pause_that_goes_on(tmp_path):
    network = make_network()
    lanes = network.tables.lanes
    lanes["paused_ps"][3] = 4 * US
    for priority, until in ((3, 60 * US), (4, 22 * US)):
        lanes["paused_since_ps"][priority] = 20 * US
        lanes["pause_until_ps"][priority] = until
    with h5py.File(write(tmp_path, network)) as file:
        duration_us = file["rx_prio_pause_duration"]
        assert duration_us[0, 3] == 9.0  # 4, and 20 to 25 us, where the run ends
        assert duration_us[0, 4] == 2.0
        assert duration_us[1].tolist() == [0.0] * 8


def test_discards_are_parted_into_in_and_out(tmp_path):
    network = make_network()
    lanes = network.tables.lanes
    lanes["drops_congestion"][[8, 11]] = [2, 3]
    lanes["ingress_limit_bytes"][11], lanes["missing_bytes"][11] = 5000, 100
    with h5py.File(write(tmp_path, network)) as file:
        assert file["rx_discards_phy"][:].tolist() == [0, 3, 0, 0]
        assert file["tx_discards_phy"][:].tolist() == [0, 2, 0, 0]
        assert file["drops_congestion"][1].tolist() == [2, 0, 0, 3, 0, 0, 0, 0]


def test_every_variable_says_what_it_is_and_has_named_axes(tmp_path):
    with h5py.File(write(tmp_path, make_network())) as file:
        assert len(file) > 40
        for name, variable in file.items():
            assert variable.attrs["units"], name
            assert variable.attrs["long_name"], name
            assert variable.dtype.kind in "iufO", name
            assert h5py.check_enum_dtype(variable.dtype) is None, name
            if variable.is_scale:
                continue
            for axis in variable.dims:
                assert len(axis) == 1, name
                assert axis[0].name.lstrip("/") in {
                    "time",
                    "flow",
                    "port",
                    "priority",
                    "operation",
                    "queue_pair",
                    "event",
                    "event_sort",
                    "scenario_event",
                    "stall",
                }
            if variable.dtype.kind != "O":
                assert variable.compression == "gzip", name
                assert variable.shuffle, name


def test_the_log_says_what_happened_where_and_how_much_is_not_listed(tmp_path):
    with xarray.open_dataset(write(tmp_path, make_network()), engine="h5netcdf") as data:
        kinds = data["event_kind"].attrs["flag_meanings"].split()
        assert [kinds[k] for k in data["event_kind"].values] == ["pause", "queue_pair_error"]
        assert data["event_time"].values.tolist() == [1e-6, 2e-6]
        assert data["event_port"].values.tolist() == [1, -1]  # lane 11: port 1, priority 3
        assert data["event_priority"].values.tolist() == [3, -1]
        assert data["event_queue_pair"].values.tolist() == [-1, 0]
        assert data["event_packet"].values.tolist() == [-1, 5]
        left_out = dict(zip(kinds, data["events_not_listed"].values.tolist(), strict=True))
        assert left_out["pause"] == 39
        assert left_out["queue_pair_error"] == 0


def test_no_chunk_is_too_large():
    for shape in ((1,), (10**6,), (500, 1000), (3, 10**5), (4, 8), (7, 5, 3)):
        chunks = trace._chunks(shape)
        assert all(1 <= chunk <= length for chunk, length in zip(chunks, shape, strict=True))
        assert np.prod(chunks) <= trace.LARGEST_CHUNK
        assert np.prod(chunks) * 2 > min(np.prod(shape), trace.LARGEST_CHUNK)


def test_root_attributes_tell_where_the_file_comes_from(tmp_path):
    with h5py.File(write(tmp_path, make_network())) as file:
        given = dict(file.attrs)
    assert given["scenario_text"] == "name: small  # ε\n"
    assert given["wanrdma_version"] == version("wanrdma")
    assert given["numba_version"] == version("numba")
    assert given["h5py_version"] == version("h5py")
    assert (given["seed"], given["command"]) == (7, "wanrdma run")
    assert (given["status"], given["complete"]) == ("completed", 1)
    assert given["complete"].dtype == np.uint8


def test_root_attributes_tell_what_was_done_at_once(tmp_path):
    network = jumping(make_network(), 1_500_000, 1_000_000, 3_000_000)
    with h5py.File(write(tmp_path, network)) as file:
        given = dict(file.attrs)
    assert (given["exact_events"], given["jumps"], given["packet_hops"]) == (0, 1200, 3_000_000)
    assert given["jumped_packet_hops"] == 1_500_000
    assert (given["handled_events"], given["jumped_events"]) == (1_000_000, 3_000_000)


def test_odd_text_is_kept(tmp_path):
    loaded = make_loaded()
    loaded.text = "# " + "é" * 3_000_000
    result = dataclasses.replace(summary_of(make_network()), seed=2**64 - 1)
    path = tmp_path / "x.h5"
    trace.write_trace(path, loaded, result, "wanrdma \udcff")
    with h5py.File(path) as file:
        assert file.attrs["scenario_text"] == loaded.text
        assert file.attrs["command"] == "wanrdma \\udcff"
        assert file.attrs["seed"] == 2**64 - 1


def test_xarray_reads_it(tmp_path):
    path = write(tmp_path, make_network())
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data["goodput"].dims == ("flow", "time")
        assert data["queue_max"].dims == ("port", "time")
        assert data["tx_prio_pause"].dims == ("port", "priority")
        assert data["flow"].values.tolist() == ["write.0", "write.1"]
        assert float(data["goodput"].sel(flow="write.1", time=0.0)) == 4096 * 8 / 10e-6
        assert float(data["completion_time"].sel(flow="write.0")) == 20e-6
        assert data["operation_status"].attrs["flag_meanings"].split()[kt.DONE] == "done"
        assert not [axis for axis in data.sizes if axis.startswith("phony")]
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        assert tree["queue_max"].sel(port="a.switch>b.host0").sizes == {"time": 3}


def test_work_without_flows_can_be_written_and_read(tmp_path):
    network = make_network(flows=0)
    path = write(tmp_path, network)
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data.sizes["flow"] == 0
        assert data.sizes["operation"] == 2
        assert np.isnan(data["operation_start"].values[1])


def test_one_run_gives_one_file(tmp_path):
    results = [dataclasses.replace(summary_of(make_network()), wall_s=wall) for wall in (1.0, 2.0)]
    paths = [
        trace.write_trace(tmp_path / f"{i}.h5", make_loaded(), r, str(i))
        for i, r in enumerate(results)
    ]
    with h5py.File(paths[0]) as first, h5py.File(paths[1]) as second:
        assert set(first) == set(second)
        for name in first:
            np.testing.assert_array_equal(first[name][()], second[name][()], err_msg=name)


def test_the_part_is_gone_when_the_trace_is_complete(tmp_path):
    path = trace.reserve_trace(tmp_path / "x.h5", make_loaded(), 7, "run")
    assert trace.part_path(path).exists()
    assert not path.exists()
    assert write(tmp_path, make_network()) == path
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_a_killed_run_leaves_a_part_that_says_so(tmp_path):
    path = trace.reserve_trace(tmp_path / "x.h5", make_loaded(), 7, "run")
    with xarray.open_dataset(trace.part_path(path), engine="h5netcdf") as data:
        assert data.attrs["complete"] == 0
        assert data.attrs["status"] == "running"
        assert data.attrs["scenario_text"].startswith("name: small")


def test_an_interrupted_run_leaves_a_part_with_what_there_is(tmp_path):
    trace.reserve_trace(tmp_path / "x.h5", make_loaded(), 7, "run")
    network = make_network()
    result = summary_of(network, Outcome("stopped", "interrupted", 1.0, 1.0))
    part = trace.write_trace(tmp_path / "x.h5", make_loaded(), result, "run", complete=False)
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5.part"]
    with h5py.File(part) as file:
        assert (file.attrs["complete"], file.attrs["status"]) == (0, "stopped")
        assert file["goodput"].shape == (2, 3)


def test_a_full_disk_leaves_the_last_part_that_could_be_written(tmp_path, monkeypatch):
    trace.reserve_trace(tmp_path / "x.h5", make_loaded(), 7, "run")
    network = make_network()
    result = summary_of(network, Outcome("stopped", "not over", 1.0, 1.0))
    trace.flush_trace(tmp_path / "x.h5", make_loaded(), result, "run")
    write_bytes = Path.write_bytes

    def full_disk(self, data):
        if len(data) > 40_000:
            write_bytes(self, data[:30_000])
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write(tmp_path, make_network())
    with h5py.File(tmp_path / "x.h5.part") as file:
        assert file.attrs["complete"] == 0
        assert file["goodput"].shape == (2, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5.part"]


def test_file_names_are_numbered_when_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [trace.reserve_trace(None, make_loaded(), 7, "run").name for _ in range(2)]
    assert names == ["small-7.h5", "small-7-2.h5"]
    trace.part_path(Path("small-7.h5")).rename("small-7.h5")
    assert trace.reserve_trace(None, make_loaded(), 7, "run").name == "small-7-3.h5"
    assert trace.reserve_trace(None, make_loaded(), 8, "run").name == "small-8.h5"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../../etc/x", "etc-x-7.h5"),
        ("a b/c", "a-b-c-7.h5"),
        ("天津", "天津-7.h5"),
        ("...", "run-7.h5"),
        ("x" * 300, "x" * 80 + "-7.h5"),
    ],
)
def test_a_scenarios_name_cannot_leave_the_folder(tmp_path, monkeypatch, name, file):
    monkeypatch.chdir(tmp_path)
    assert str(trace.reserve_trace(None, make_loaded(name), 7, "run")) == file


def test_a_file_is_overwritten_only_by_force(tmp_path):
    path = tmp_path / "x.h5"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"it exists \(--force overwrites it\)"):
        trace.reserve_trace(path, make_loaded(), 7, "run")
    assert path.read_text() == "mine"
    trace.reserve_trace(path, make_loaded(), 7, "run", force=True)
    assert path.read_text() == "mine"  # until there is something better
    write(tmp_path, make_network(), force=True)
    assert h5py.is_hdf5(path)


def test_a_part_of_another_run_is_overwritten_only_by_force(tmp_path):
    path = tmp_path / "x.h5"
    trace.reserve_trace(path, make_loaded(), 7, "run")
    with pytest.raises(OutputError, match=r"x\.h5\.part: another run is writing it, or was cut"):
        trace.reserve_trace(path, make_loaded(), 7, "run")
    trace.reserve_trace(path, make_loaded(), 7, "run", force=True)


def test_places_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path, message in (
        (tmp_path, "it is a folder"),
        (tmp_path / "missing" / "x.h5", "there is no folder"),
        (tmp_path / "file" / "x.h5", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / ("x" * 252), "File name too long"),  # the .part is
        (Path("/dev/null"), "not a plain file"),
    ):
        for force in (False, True):
            with pytest.raises(OutputError, match=message):
                trace.reserve_trace(path, make_loaded(), 7, "run", force)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# Table


def test_the_first_line_is_the_answer():
    network = make_network(flows=1)
    network.flow_names[0] = "write"
    assert shown(network).splitlines()[0] == (
        "write: 8.00 KiB in 20.00 us, 2.05 Gb/s steady (0.5 % of the 400 Gb/s NIC)"
    )


def test_the_answer_for_several_flows_names_the_slowest():
    network = make_network()
    network.tables.flows["last_delivery_ps"][1] = 22 * US
    assert shown(network).splitlines()[0] == (
        "write: 16.0 KiB in 2 flows; the slowest, write.1: 8.00 KiB in 21.00 us, "
        "1.93 Gb/s steady (0.5 % of the 400 Gb/s NIC)"
    )


def test_the_answer_says_why_a_run_did_not_complete():
    network = make_network()
    network.tables.flows["delivered_bytes"][1] = 4096
    result = summary_of(network, Outcome("stopped", "the stop time came.", 1.0, 1.0))
    assert shown(network, result).splitlines()[0] == (
        "Stopped after 25.00 us: the stop time came. "
        "write: 12.0 KiB of 16.0 KiB delivered; 1 of 2 flows unfinished"
    )
    result = summary_of(network, Outcome("incomplete", "a queue pair is in error", 1.0, 1.0))
    text = shown(network, result)
    assert text.startswith("Incomplete after 25.00 us: a queue pair is in error. write")
    assert "50.0% done" in text


def test_work_without_data_has_an_answer_too():
    network = make_network(flows=0)
    assert shown(network).startswith("No data was to be sent; the work took 25.00 us.")


def test_a_quiet_run_shows_no_totals_and_no_drops():
    text = shown(make_network())
    assert "timeouts" in text  # a column of the flows
    assert "what went wrong" not in text
    assert "full buffer" not in text
    assert "fullest queues" not in text


def test_what_went_wrong_is_explained():
    network = make_network()
    tables = network.tables
    tables.requesters["local_ack_timeout_err"][0] = 1234
    lane = tables.lanes[1 * 8 + 3]
    lane["ingress_limit_bytes"], lane["missing_bytes"], lane["drops_congestion"] = 65536, 2048, 3
    text = shown(network)
    assert "1,234  ACK timers that ran out" in text
    assert "pause" not in text.split("meaning")[1].split("\n\n")[0]
    (line,) = [line for line in text.splitlines() if line.startswith("a.switch, from a.host0")]
    assert line.split()[-6:] == ["3", "3", "64.0", "KiB", "2.00", "KiB"]


def test_the_five_fullest_queues_come_in_order():
    network = make_network()
    network.tables.ports["max_queued_bytes"] = [1, 3000, 0, 2000]
    lines = shown(network).split("fullest queues")[1].splitlines()[1:4]
    assert [line.split()[0] for line in lines] == [PORTS[1], PORTS[3], PORTS[0]]


def test_many_flows_are_grouped_by_their_row():
    network = make_network(flows=20)
    network.flow_names[15:] = [f"back.{i}" for i in range(5)]
    network.tables.flows["last_delivery_ps"] = [(21 + i) * US for i in range(20)]
    text = shown(network)
    (row,) = [line for line in text.splitlines() if line.startswith("write  ")]
    assert row.split()[:5] == ["write", "15", "15", "8.00", "KiB"]
    assert row.split()[5:11] == ["20.00", "us", "27.00", "us", "34.00", "us"]
    assert row.split()[-1] == "write.14"
    assert "back.4" in text
    assert "write.3" not in text


def test_the_rest_is_named_below():
    result = dataclasses.replace(summary_of(make_network()), trace="small-7.h5")
    lines = shown(make_network(), result).splitlines()[-4:]
    assert lines == [
        "Convergence (NICs : lines): a 16:1",
        "Simulated 25.00 us in 2.000 s, 8e+04 times slower than the network itself; "
        "3,000,000 packet-hops, 2 million a CPU second.",
        "Cycles: none; every event was handled.",
        "Trace: small-7.h5",
    ]


@pytest.mark.parametrize("columns", [1, 40, 80, 117, 300])
def test_no_terminal_is_too_narrow_for_whole_figures(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    network = make_network(flows=20)
    network.tables.ports["max_queued_bytes"] = 3000
    lane = network.tables.lanes[1 * 8 + 3]
    lane["ingress_limit_bytes"], lane["missing_bytes"], lane["drops_congestion"] = 65536, 2048, 3
    console = table.new_console(io.StringIO(), for_terminal=True)
    table.show(summary_of(network), make_scenario(), network, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    (row,) = [line for line in lines if line.startswith("write  ")]
    rates = ["2.05", "Gb/s"] * 3
    assert row.split()[3:] == ["8.00", "KiB", *["20.00", "us"] * 3, *rates, "write.0"]
    (row,) = [line for line in lines if line.startswith("a.switch, from a.host0")]
    assert row.split()[3:] == ["3", "3", "64.0", "KiB", "2.00", "KiB"]
    (row,) = [line for line in lines if line.startswith(PORTS[0])]
    assert row.split() == [PORTS[0], "2.93", "KiB"]


@pytest.mark.parametrize(
    ("settings", "styled"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": ""}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_escapes_are_only_for_terminals_that_want_them(settings, styled, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    network = make_network()
    console = table.new_console(io.StringIO(), for_terminal=True)
    table.show(summary_of(network), make_scenario(), network, console)
    assert ("\x1b" in console.file.getvalue()) == styled  # type: ignore[attr-defined]


def test_names_are_printed_as_they_are():
    network = make_network(flows=1)
    network.flow_names[0] = "[red]:smile:"
    assert "[red]:smile:" in shown(network)


def test_no_escape_codes_and_no_cut_lines_in_a_pipe(capsys):
    console = table.new_console()
    result = dataclasses.replace(summary_of(make_network(flows=20)), trace="x" * 300)
    table.show(result, make_scenario(), make_network(flows=20), console)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "x" * 300 in text
