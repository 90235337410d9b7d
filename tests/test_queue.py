"""What the queue decides, without a process or a clock: events go in, and what is to be done comes out."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from toyviz import queue as queue_module
from toyviz.experiment import Experiment
from toyviz.queue import Busy, Cancel, Kill, Limits, LiveFrame, Queue, Start, Train, too_large

TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)
LARGE = Experiment(n_features=1000, n_hidden=2, n_samples=2000, sparsity=0.99, normalize=True, steps=50_000)
SILENCE = queue_module.SILENT_FOR + 1  # of a worker whose steps take no time to speak of


def seeds(count, base=TINY, first=0):
    return [base.with_(seed=seed) for seed in range(first, first + count)]


class Driver:
    """A queue with its clock, and the workers that it has asked for."""

    def __init__(self, workers=1, spare=0, limits=None):
        self.queue, self.now, self.said = Queue(workers, spare, limits), 0.0, []
        self.do(self.queue.open)

    def do(self, event, *arguments, **options):
        said = event(*arguments, now=self.now, **options)
        self.said += said
        return said

    def submit(self, visitor, experiments, **options):
        wanted = {each.key: each for each in experiments}
        first = {each.key for each in options.pop("first", ())}
        return self.do(self.queue.submit, visitor, wanted, set(), set(wanted), first=first, **options)

    def cancel(self, visitor, experiments):
        return self.do(self.queue.cancel, [each.key for each in experiments], visitor)

    def warm(self):
        """Every worker that was started is ready."""
        for each in [each for each in self.said if isinstance(each, Start)]:
            self.do(self.queue.ready, each.worker)
        return self

    def later(self, seconds):
        self.now += seconds
        return self.do(self.queue.tick)

    def state(self, experiment):
        status = self.queue.status(experiment.key)
        return status and status.state

    @property
    def trained(self):
        """The orders to train, as (worker, experiment), in the order in which they were given."""
        return [(each.worker, each.job.experiment) for each in self.said if isinstance(each, Train)]

    def steps(self, experiment):
        """The worker that was told to train it begins with the steps."""
        worker, job = self._order(experiment)
        return self.do(self.queue.training, worker, job.id)

    def finish(self, experiment, state="done", error=None):
        worker, job = self._order(experiment)
        return self.do(self.queue.ended, worker, job.id, state, error)

    def _order(self, experiment):
        return next(
            (s.worker, s.job) for s in reversed(self.said) if isinstance(s, Train) and s.job.key == experiment.key
        )


def of(kind, instructions):
    return [each for each in instructions if isinstance(each, kind)]


# who is next


def test_visitors_take_turns_however_much_one_of_them_has_asked_for():
    driver = Driver().warm()
    many, few = seeds(104), seeds(2, first=500)
    driver.submit("ada", many)
    driver.submit("bob", few)
    for turn in range(5):
        driver.finish(driver.trained[turn][1])
    assert [experiment for _, experiment in driver.trained] == [many[0], few[0], many[1], few[1], *many[2:4]]


def test_the_work_of_a_visitor_comes_in_the_order_asked_whatever_its_size():
    driver = Driver().warm()
    driver.submit("ada", [TINY.with_(seed=99)])
    asked = [LARGE, *seeds(3), LARGE.with_(n_samples=10, steps=2000)]
    driver.submit("ada", asked)
    for turn in range(5):
        driver.finish(driver.trained[turn][1])
    assert [experiment for _, experiment in driver.trained[1:]] == asked


def test_what_a_visitor_looks_at_comes_before_all_the_rest_that_they_want():
    driver = Driver().warm()
    driver.submit("ada", [TINY.with_(seed=99)])
    driver.submit("ada", [*seeds(3), LARGE], first=[LARGE])
    driver.submit("ada", [*seeds(3), LARGE], first=[TINY.with_(seed=2)])
    for turn in range(4):
        driver.finish(driver.trained[turn][1])
    assert [experiment for _, experiment in driver.trained[1:]] == [TINY.with_(seed=2), *seeds(2), LARGE]


def test_what_another_visitor_looks_at_changes_nobodys_own_order():
    driver = Driver().warm()
    driver.submit("ada", [TINY.with_(seed=99)])
    driver.submit("ada", [*seeds(3), LARGE], first=[LARGE])
    driver.submit("bob", [*seeds(3), LARGE], first=[TINY.with_(seed=2)])
    for turn in range(4):
        driver.finish(driver.trained[turn][1])
    assert [experiment for _, experiment in driver.trained[1:]] == [TINY.with_(seed=2), LARGE, *seeds(2)]


def test_visitors_who_ask_for_one_network_after_the_other_starve_nobody():
    driver = Driver().warm()
    driver.submit("ada", seeds(100))
    asked = {visitor: iter(seeds(100, first=first)) for visitor, first in (("bob", 1000), ("eve", 2000))}
    whose = {}
    for visitor in [*asked, *("bob", "eve") * 10]:
        driver.submit(visitor, [(experiment := next(asked[visitor]))])
        whose[experiment] = visitor
        driver.finish(driver.trained[-1][1])
    served = [whose.get(experiment, "ada") for _, experiment in driver.trained]
    assert served[:21] == [*("ada", "bob", "eve") * 7]


def test_positions_say_who_is_served_when():
    driver = Driver().warm()
    driver.submit("ada", [LARGE])
    mine, theirs = seeds(3), seeds(2, first=7)
    driver.submit("ada", mine)
    driver.submit("bob", theirs)
    positions = {each: driver.queue.status(each.key).position for each in [*mine, *theirs]}
    order = sorted(positions, key=positions.get)
    assert sorted(positions.values()) == [1, 2, 3, 4, 5]
    driver.finish(LARGE)
    for turn in range(1, 5):
        driver.finish(driver.trained[turn][1])
    assert [experiment for _, experiment in driver.trained[1:]] == order


def test_a_spare_worker_serves_those_for_whom_nothing_is_in_training():
    driver = Driver(workers=2, spare=1).warm()
    long = seeds(4, LARGE)
    driver.submit("ada", long)
    assert of(Start, driver.steps(long[0]))  # it is started when it may soon be needed, and no sooner
    driver.warm()
    assert len(driver.trained) == 2
    driver.submit("bob", [TINY, TINY.with_(seed=1)])
    assert driver.trained[2:] == [(2, TINY)]
    driver.finish(TINY)
    assert driver.trained[3:] == [(2, TINY.with_(seed=1))]
    driver.finish(TINY.with_(seed=1))
    assert len(driver.trained) == 4


def test_the_spare_worker_takes_a_visitors_short_work_that_would_wait_for_their_own_long_one():
    driver = Driver(workers=2, spare=1).warm()
    long = [LARGE.with_(n_samples=20_000, seed=seed) for seed in range(3)]
    driver.submit("ada", long)
    driver.steps(long[0])
    driver.warm()
    assert driver.queue.job(long[0].key).seconds > queue_module.SHORT
    driver.submit("ada", seeds(2))
    assert driver.trained[2:] == [(2, TINY)]
    driver.finish(TINY)
    driver.finish(TINY.with_(seed=1))
    assert len(driver.trained) == 4  # the third long one waits for one of the two


def test_what_several_visitors_want_is_one_job():
    driver = Driver().warm()
    driver.submit("ada", seeds(2))
    driver.submit("bob", seeds(2))
    driver.cancel("ada", seeds(2))
    assert [driver.state(each) for each in seeds(2)] == ["running", "queued"]
    driver.finish(TINY)
    driver.finish(TINY.with_(seed=1))
    assert len(driver.trained) == 2


# how much is taken


def test_a_visitor_has_a_share_and_what_they_fill_it_with_is_not_in_anothers_way():
    driver = Driver(limits=Limits(visitor_networks=800, queue_networks=10_000)).warm()
    driver.submit("ada", seeds(800))
    with pytest.raises(Busy, match=r"800 networks are open for you and this asks for 1 more; .* may have 800 open"):
        driver.submit("ada", seeds(1, first=900))
    assert driver.state(TINY.with_(seed=900)) is None
    driver.submit("bob", seeds(800, first=1000))
    driver.finish(TINY)
    driver.submit("ada", seeds(1, first=900))
    driver.submit("ada", seeds(9, first=1))  # what is open already asks for nothing


def test_a_visitors_open_work_has_a_budget_of_computing():
    driver = Driver(limits=Limits(visitor_seconds=3600)).warm()
    with pytest.raises(Busy, match=r"about [0-9.]+ h of computing .* may have 1 h open.*TOYVIZ_MAX_VISITOR_HOURS"):
        driver.submit("ada", seeds(1000, LARGE))
    assert driver.trained == []
    driver.submit("ada", seeds(2, LARGE))


def test_a_full_queue_refuses_all_of_a_request_and_says_how_full_it_is():
    driver = Driver(limits=Limits(queue_networks=3)).warm()
    driver.submit("ada", seeds(2))
    with pytest.raises(Busy, match="1 trainings are waiting and this asks for 2 more, which is over the limit of 3"):
        driver.submit("bob", seeds(2, first=5))
    assert driver.state(TINY.with_(seed=5)) is None
    driver.submit("bob", seeds(1, first=5))


def test_a_closed_queue_takes_nothing():
    driver = Driver().warm()
    driver.submit("ada", seeds(2))
    driver.do(driver.queue.close)
    assert [driver.state(each) for each in seeds(2)] == ["cancelled", "cancelled"]
    with pytest.raises(Busy, match="about to stop"):
        driver.submit("ada", [TINY])
    assert driver.do(driver.queue.lost, 0, "it was told to") == []


def test_what_is_stored_is_not_trained_and_what_was_forgotten_is():
    driver = Driver().warm()
    wanted = {TINY.key: TINY}
    driver.do(driver.queue.submit, "ada", wanted, {TINY.key}, set())
    assert driver.state(TINY) is None
    driver.submit("ada", [TINY])
    driver.finish(TINY)
    driver.do(driver.queue.submit, "ada", wanted, set(), set())  # it was done after the store had been asked
    assert len(driver.trained) == 1
    driver.submit("ada", [TINY])  # the store has dropped it
    assert len(driver.trained) == 2


def test_ended_jobs_are_forgotten_in_time(monkeypatch):
    monkeypatch.setattr(queue_module, "REMEMBERED", 5)
    driver = Driver().warm()
    for each in seeds(20):
        driver.submit("ada", [each])
        driver.finish(each)
    assert [driver.state(each) for each in seeds(20)].count("done") <= 6
    assert driver.state(seeds(20)[-1]) == "done"
    assert len(driver.queue._turns) <= 1
    assert driver.queue._open == {}


# cancel, and what is compiled


def test_a_setting_that_is_changed_every_few_seconds_never_costs_a_compilation():
    driver = Driver(workers=2).warm()
    killed = []
    for second in range(0, 54, 4):  # each compilation takes 8 seconds
        driver.now = float(second)
        changed = TINY.with_(seed=second)
        driver.submit("ada", [changed])
        if second:
            driver.cancel("ada", [TINY.with_(seed=second - 4)])
        for worker in (0, 1):
            driver.do(driver.queue.alive, worker)
        killed += of(Kill, driver.later(3.5))
        if second in (8, 16):  # by now both have what they need
            for worker, experiment in driver.trained:
                job = driver._order(experiment)[1].id
                driver.do(driver.queue.training, worker, job)
                driver.do(driver.queue.ended, worker, job, "cancelled", None)
        if second > 16:
            driver.steps(changed)
            driver.finish(changed)
    assert killed == []
    assert [driver.state(TINY.with_(seed=second)) for second in (20, 24, 52)] == ["done"] * 3


def test_the_clock_of_a_cancel_starts_with_the_training():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    assert driver.cancel("ada", [TINY]) == []
    assert driver.state(TINY) == "cancelled"
    for _ in range(10):
        driver.do(driver.queue.alive, 0)
        assert driver.later(5) == []
    (told,) = driver.steps(TINY)
    assert isinstance(told, Cancel)
    assert driver.later(queue_module.KILL_AFTER - 1) == []
    (killed,) = of(Kill, driver.later(1.5))
    assert killed.why == "it did not stop when it was told to"


def test_what_is_cancelled_in_its_training_is_told_so_at_once():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    driver.steps(TINY)
    assert [type(each) for each in driver.cancel("ada", [TINY])] == [Cancel]
    assert driver.finish(TINY, "done") == []
    assert driver.state(TINY) == "cancelled"  # though it was done a moment later


def test_what_is_asked_for_again_while_it_compiles_goes_on():
    driver = Driver(workers=2).warm()
    driver.submit("ada", [TINY])
    driver.cancel("ada", [TINY])
    driver.submit("bob", [TINY])
    assert driver.state(TINY) == "running"
    assert driver.steps(TINY) == []
    driver.finish(TINY)
    assert driver.state(TINY) == "done"
    assert len(driver.trained) == 1


def test_what_is_asked_for_again_while_it_is_stopped_is_trained_anew():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    driver.steps(TINY)
    driver.cancel("ada", [TINY])
    driver.submit("ada", [TINY])
    assert driver.state(TINY) == "queued"
    driver.do(driver.queue.ended, 0, driver.trained and driver._order(TINY)[1].id, "cancelled", None)
    assert driver.state(TINY) == "running"


# visitors come and go


def test_a_poll_counts_for_a_while_and_a_visitor_who_has_left_for_a_shorter_one():
    driver = Driver().warm()
    driver.submit("ada", [*seeds(1), LARGE])
    for _ in range(5):
        driver.do(driver.queue.touch, [LARGE.key, TINY.key], "ada")
        for _ in range(3):
            driver.later(20)
            driver.do(driver.queue.alive, 0)
    assert [driver.state(LARGE), driver.state(TINY)] == ["queued", "running"]
    driver.do(driver.queue.leave, "ada")
    driver.do(driver.queue.leave, "a stranger")
    driver.later(queue_module.GRACE - 1)
    assert driver.state(LARGE) == "queued"
    driver.submit("ada after a reload", [LARGE])
    driver.later(2)
    assert [driver.state(LARGE), driver.state(TINY)] == ["queued", "cancelled"]
    driver.later(queue_module.WATCHED_FOR)
    assert driver.state(LARGE) == "cancelled"


# workers that hang, die, or never start


def test_a_worker_that_says_nothing_is_killed_and_its_job_tried_once_more_and_then_told():
    driver = Driver(workers=2).warm()
    driver.submit("ada", [TINY])
    driver.steps(TINY)
    assert driver.later(queue_module.SILENT_FOR - 1) == []
    killed, tried = driver.later(2)
    assert isinstance(killed, Kill)
    assert (tried.worker, tried.job.experiment) == (1, TINY)
    driver.steps(TINY)
    driver.later(SILENCE)
    status = driver.queue.status(TINY.key)
    assert status.state == "failed"
    assert status.error == "the process that trained it stopped 2 times (it gave no sign of life for 30 s)"


def test_a_job_is_not_blamed_for_workers_that_hung_before_they_had_it():
    driver = Driver(workers=2).warm()
    driver.submit("ada", [TINY])
    driver.later(SILENCE)  # the one is killed, and the other, which hangs too, is given the job
    driver.later(SILENCE)
    assert driver.state(TINY) in ("queued", "running")
    driver.later(queue_module.ENDING_FOR + 1)
    driver.do(driver.queue.ready, driver.said[-1].worker)
    driver.steps(TINY)
    driver.finish(TINY)
    assert driver.state(TINY) == "done"


def test_signs_of_life_keep_a_worker_that_compiles_for_minutes():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    for _ in range(60):
        driver.do(driver.queue.touch, [TINY.key], "ada")
        driver.do(driver.queue.alive, 0)
        assert driver.later(10) == []
    assert driver.state(TINY) == "running"


def test_long_steps_are_given_more_time():
    slow = LARGE.with_(n_samples=20_000, n_features=10_000, steps=100)
    driver = Driver().warm()
    driver.submit("ada", [slow])
    driver.steps(slow)
    a_step = driver._order(slow)[1].seconds / 100
    assert a_step > 0.05
    assert driver.later(queue_module.SILENT_FOR + 50 * a_step) == []
    assert of(Kill, driver.later(51 * a_step))


def test_workers_that_hang_and_cannot_even_be_killed_are_replaced():
    driver = Driver(workers=2).warm()
    driver.submit("ada", [TINY])
    driver.submit("bob", [LARGE])
    assert [each.worker for each in of(Kill, driver.later(40))] == [0, 1]
    assert [driver.state(TINY), driver.state(LARGE)] == ["queued", "queued"]
    assert driver.later(queue_module.ENDING_FOR - 1) == []
    started = of(Start, driver.later(2))
    assert [(each.worker, each.place) for each in started] == [(2, 0), (3, 1)]
    for each in started:
        driver.do(driver.queue.ready, each.worker)
    assert driver.trained[2:] == [(2, TINY), (3, LARGE)]


def test_what_a_worker_says_that_was_given_up_is_not_heard():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    job = driver._order(TINY)[1].id
    driver.later(SILENCE)
    driver.later(queue_module.ENDING_FOR + 1)
    driver.do(driver.queue.progress, 0, job, 10, 0.5, None)
    driver.do(driver.queue.ended, 0, job, "failed", "late")
    driver.do(driver.queue.lost, 0, "late")
    assert driver.queue.wanted(0, job) is None
    assert driver.state(TINY) == "queued"
    driver.do(driver.queue.ready, 1)
    assert driver.trained[-1] == (1, TINY)


def test_what_a_worker_says_of_another_job_than_its_own_is_not_heard():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    job = driver._order(TINY)[1].id
    driver.do(driver.queue.progress, 0, job + 1, 10, 0.5, None)
    driver.do(driver.queue.ended, 0, job + 1, "done", None)
    assert driver.queue.wanted(0, job + 1) is None
    status = driver.queue.status(TINY.key)
    assert (status.state, status.step, status.loss) == ("running", 0, None)


def test_a_job_that_kills_its_worker_runs_once_more_and_is_then_given_up():
    driver = Driver().warm()
    driver.submit("ada", [TINY, TINY.with_(seed=1)])
    driver.do(driver.queue.lost, 0, "exit code 3: boom")
    assert driver.state(TINY) == "queued"
    driver.do(driver.queue.ready, 1)
    assert driver.trained[-1] == (1, TINY)
    driver.do(driver.queue.lost, 1, "exit code 3: boom")
    assert driver.queue.status(TINY.key).error == "the process that trained it stopped 2 times (exit code 3: boom)"
    driver.do(driver.queue.ready, 2)
    driver.finish(TINY.with_(seed=1))
    driver.submit("ada", [TINY])
    assert driver.state(TINY) == "failed"
    driver.submit("ada", [TINY], again=True)
    assert driver.state(TINY) == "running"


def test_workers_that_cannot_start_end_what_waits_with_their_cause_and_are_tried_again_later():
    driver = Driver(workers=2, spare=1)
    driver.submit("ada", seeds(3))
    for worker in range(4):
        assert driver.state(TINY) == "queued"
        driver.do(driver.queue.lost, worker, "exit code 1: No module named 'numba'")
    assert {driver.queue.status(each.key).error for each in seeds(3)} == {
        "no process can be started to train it (exit code 1: No module named 'numba')"
    }
    assert of(Start, driver.submit("ada", seeds(1), again=True)) == []
    started = of(Start, driver.later(queue_module.START_AGAIN + 1))
    assert started
    driver.do(driver.queue.ready, started[0].worker)
    assert driver.state(TINY) == "running"


def test_a_worker_that_does_not_get_ready_is_killed_and_counts_as_one_that_cannot_start():
    driver = Driver()
    driver.submit("ada", [TINY])
    driver.later(1)
    for _ in range(2):
        driver.do(driver.queue.touch, [TINY.key], "ada")
        driver.later(60)
        driver.do(driver.queue.touch, [TINY.key], "ada")
        assert of(Kill, driver.later(queue_module.START_PATIENCE - 59))
        driver.later(queue_module.ENDING_FOR + 1)
    assert driver.queue.status(TINY.key).error.startswith("no process can be started to train it (it gave no sign")


# what a running job tells


def test_the_live_loss_curve_stays_short_and_keeps_its_ends():
    job = queue_module.Job(TINY, 1.0)
    job.start()
    for step in range(1, 5001):
        job.hear(step, 1 / step, None, 0.0)
        assert len(job.curve) <= 300
    assert job.curve[0] == (1, 1.0)
    assert job.curve[-1] == (5000, 1 / 5000)
    assert len(job.curve) > 150


def test_the_time_left_follows_from_the_pace_since_the_first_message():
    job = queue_module.Job(TINY.with_(steps=100), 1.0)
    job.start()
    assert job.seconds_left is None
    for now, step in enumerate((10, 20, 60)):
        job.hear(step, 1.0, None, 5.0 * now)
    assert job.seconds_left == pytest.approx(10 / 50 * 40)


def test_the_time_left_is_told_once_the_pace_is_known_and_never_rises():
    job = queue_module.Job(TINY.with_(steps=1000), 1.0)
    job.start()
    job.hear(1, 1.0, None, 10.0)
    job.hear(50, 1.0, None, 10.0 + 0.9 * queue_module.PACE_AFTER)
    assert job.seconds_left is None  # a moment says nothing of the pace
    told = []
    for step, now in ((101, 11.0), (201, 12.0), (202, 20.0), (203, 40.0), (700, 41.0), (1000, 50.0)):  # it stalls
        job.hear(step, 1.0, None, now)
        told.append(job.seconds_left)
    assert told[:2] == pytest.approx([1 / 100 * 899, 2 / 200 * 799])
    assert told == sorted(told, reverse=True)
    assert told[3] == told[1]
    assert told[-1] == 0
    job.hear(1000, 1.0, sent(1000), 51.0)
    job.start()  # in another process
    assert job.seconds_left is None
    assert job.history == []


def sent(step, **metrics):
    return LiveFrame(step, {"W1": np.full((2, 7), step, np.float32)}, metrics)


def test_a_live_history_keeps_each_frame_with_its_step_and_is_thinned_but_for_its_ends():
    driver = Driver().warm()
    driver.submit("ada", [TINY.with_(steps=500)])
    experiment = driver.trained[0][1]
    job = driver._order(experiment)[1]
    assert driver.queue.status(experiment.key).history == ()
    before = []
    for step in range(1, 300):
        driver.do(driver.queue.progress, 0, job.id, step, 0.5, sent(step, test_loss=1 / step) if step % 2 else None)
        history = driver.queue.status(experiment.key).history
        steps = [frame.step for frame in history]
        assert (steps[0], steps[-1]) == (1, step if step % 2 else step - 1)
        assert steps == sorted(set(steps))
        assert len(steps) <= 40
        assert all(frame.metrics == {"test_loss": 1 / frame.step} for frame in history)
        if len(steps) < len(before):
            assert steps == [before[0], *before[2::2], step]  # of 41: every other one between the ends
        before = steps
    status = driver.queue.status(experiment.key)
    assert status.step == 299
    assert status.frame is status.history[-1].parameters
    driver.finish(experiment)
    assert driver.queue.status(experiment.key).history == ()


def test_a_network_that_is_trained_anew_has_no_history_of_the_first_time():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    driver.do(driver.queue.progress, 0, driver._order(TINY)[1].id, 10, 0.5, sent(10))
    assert len(driver.queue.status(TINY.key).history) == 1
    driver.do(driver.queue.lost, 0, "exit code 1: boom")
    assert driver.state(TINY) == "queued"
    assert driver.queue.status(TINY.key).history == ()
    assert driver.queue.status(TINY.key).frame is None


def test_a_job_whose_steps_are_all_taken_is_measured_until_it_ends():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    job = driver._order(TINY)[1].id
    seen = [driver.queue.status(TINY.key).measuring]
    for step in (TINY.steps - 1, TINY.steps):
        driver.do(driver.queue.progress, 0, job, step, 0.5, None)
        seen.append(driver.queue.status(TINY.key).measuring)
    assert seen == [False, False, True]
    assert driver.state(TINY) == "running"
    driver.finish(TINY)
    assert driver.queue.status(TINY.key).measuring is False


def test_the_more_visitors_watch_a_training_the_longer_all_of_them_see_the_same_of_it():
    driver = Driver().warm()
    visitors = [f"visitor {k}" for k in range(31)]
    for each in visitors:
        driver.submit(each, [TINY.with_(steps=500)])
    experiment = driver.trained[0][1]
    job = driver._order(experiment)[1].id

    def told(step, seconds, frame=None):
        driver.now += seconds
        driver.do(driver.queue.progress, 0, job, step, 0.5, frame)
        return driver.queue.status(experiment.key)

    first = told(1, 0.0)
    assert (first.step, first.history) == (1, ())
    assert told(2, 0.1) is first
    picture = told(3, 0.1, sent(3))  # the first picture at once
    assert len(picture.history) == 1
    assert told(4, 0.1, sent(4)) is picture
    every = 30 * queue_module.SHARED
    assert told(5, every - 0.2) is picture
    assert len(told(6, 0.11).history) == 2
    assert told(500, 0.1).measuring  # and the end at once
    driver.cancel(visitors[0], [experiment])
    for each in visitors[1:-1]:
        driver.cancel(each, [experiment])
    driver.finish(experiment)
    assert driver.state(experiment) == "done"


def test_what_one_visitor_sees_of_a_training_is_never_old():
    driver = Driver().warm()
    driver.submit("ada", [TINY])
    job = driver._order(TINY)[1].id
    for step in range(1, 10):
        driver.do(driver.queue.progress, 0, job, step, 0.5, None)
        assert driver.queue.status(TINY.key).step == step


def test_a_status_says_what_is_too_large_to_be_shown_live():
    driver = Driver().warm()
    most = TINY.with_(n_features=15_000, n_hidden=4, n_samples=1)  # 5 n weights and biases of 4 bytes: 300,000
    large = most.with_(n_features=15_001)
    driver.submit("ada", [most, large])
    assert [driver.queue.status(each.key).too_large for each in (most, large)] == [False, True]
    assert [too_large(each) for each in (most, large)] == [False, True]


# everything at once

VISITORS = ("ada", "bob", "eve")
EXPERIMENTS = [*seeds(5), *seeds(2, LARGE)]
few = st.lists(st.sampled_from(EXPERIMENTS), min_size=1, max_size=5, unique=True)
who = st.sampled_from(VISITORS)


class Everything(RuleBasedStateMachine):
    """Visitors and workers do whatever they may do, in any order, on a disk that may be full."""

    @initialize(workers=st.integers(1, 2), spare=st.integers(0, 1), networks=st.sampled_from((3, 100)))
    def begin(self, workers, spare, networks):
        self.places, self.spare = workers, spare
        self.limits = Limits(visitor_networks=networks, queue_networks=12)
        self.stored, self.memory, self.now = {}, {}, 0.0
        self.disk_is_full = False
        self.restart()

    @rule()
    def restart(self):
        """The server starts anew: what was stored is there, and nothing else."""
        self.queue = Queue(self.places, self.spare, self.limits)
        self.memory = dict(self.stored)
        self.workers = {}  # number -> "starting", "idle", "compiling", "training", "hung", "killed"
        self.at = {}  # number -> the job that it has been told to train
        self.stops = set()  # the jobs whose worker was told to stop
        self.waited = {}  # visitor -> trainings that began while something of theirs waited
        self.obey(self.queue.open(self.now))

    def obey(self, instructions):
        for each in instructions:
            match each:
                case Start(worker, place):
                    assert worker not in self.workers
                    assert 0 <= place < self.places + self.spare
                    self.workers[worker] = "starting"
                case Train(worker, job):
                    assert self.workers[worker] in ("idle", "hung")
                    assert job.state == "running"
                    assert job.key not in [other.key for w, other in self.at.items() if other.state == "running"]
                    self.at[worker] = job
                    self.workers[worker] = "compiling" if self.workers[worker] == "idle" else "hung"
                    for visitor, jobs in self.queue._open.items():
                        waits = any(other.state == "queued" for other in jobs.values())
                        self.waited[visitor] = (
                            0 if visitor in job.watchers or not waits else self.waited.get(visitor, 0) + 1
                        )
                case Cancel(worker, job):
                    assert self.at[worker] is job
                    assert self.workers[worker] in ("training", "hung")
                    self.stops.add(job.id)
                case Kill(worker, why):
                    assert why
                    assert worker in self.workers
                    self.workers[worker] = "killed"
                    self.at.pop(worker, None)

    def those(self, *states):
        return sorted(worker for worker, state in self.workers.items() if state in states)

    def do(self, event, *arguments, **options):
        self.obey(event(*arguments, now=self.now, **options))

    # visitors

    @rule(visitor=who, wanted=few, again=st.booleans())
    def submit(self, visitor, wanted, again):
        by_key = {each.key: each for each in wanted}
        stored = {key for key in by_key if key in self.memory}
        before = {key: self.queue.job(key) for key in by_key}
        refused = False
        try:
            self.do(self.queue.submit, visitor, by_key, stored, set(by_key) - stored, again=again)
        except Busy:
            refused = True
        assert not refused or {key: self.queue.job(key) for key in by_key} == before

    @rule(visitor=who, wanted=few)
    def touch(self, visitor, wanted):
        self.do(self.queue.touch, [each.key for each in wanted], visitor)

    @rule(visitor=who, wanted=few)
    def cancel(self, visitor, wanted):
        alone = [
            job
            for each in wanted
            if (job := self.queue.job(each.key)) and job.active and set(job.watchers) == {visitor}
        ]
        self.do(self.queue.cancel, [each.key for each in wanted], visitor)
        assert [job.state for job in alone] == ["cancelled"] * len(alone)

    @rule(visitor=who)
    def leave(self, visitor):
        self.do(self.queue.leave, visitor)

    @rule(seconds=st.sampled_from((0.5, 4.0, 13.0, 35.0, 95.0, 300.0)))
    def time_passes(self, seconds):
        self.now += seconds
        self.do(self.queue.tick)

    # workers

    @precondition(lambda self: self.those("starting"))
    @rule(data=st.data())
    def ready(self, data):
        worker = data.draw(st.sampled_from(self.those("starting")))
        self.workers[worker] = "idle"
        self.do(self.queue.ready, worker)

    @precondition(lambda self: self.those("compiling"))
    @rule(data=st.data(), goes_on=st.booleans())
    def compile(self, data, goes_on):
        worker = data.draw(st.sampled_from(self.those("compiling")))
        if goes_on:
            self.do(self.queue.alive, worker)
        else:
            self.workers[worker] = "training"
            self.do(self.queue.training, worker, self.at[worker].id)

    @precondition(lambda self: self.those("training"))
    @rule(data=st.data(), part=st.floats(0.01, 0.99))
    def progress(self, data, part):
        worker = data.draw(st.sampled_from(self.those("training")))
        job = self.at[worker]
        step = max(job.step, math.ceil(part * job.experiment.steps))
        self.do(self.queue.progress, worker, job.id, step, 0.5, None)

    @precondition(lambda self: self.those("training"))
    @rule(data=st.data(), fails=st.booleans(), heeds=st.booleans())
    def end(self, data, fails, heeds):
        worker = data.draw(st.sampled_from(self.those("training")))
        stopped = self.at[worker].id in self.stops and heeds  # or it was done before it heard of the stop
        self.finish(worker, "cancelled" if stopped else "failed" if fails else "done")

    def finish(self, worker, state):
        job = self.at.pop(worker)
        self.workers[worker] = "idle"
        cancelled = job.state == "cancelled"
        if state == "done" and self.queue.wanted(worker, job.id):
            self.memory[job.key] = job.experiment
            if not self.disk_is_full:
                self.stored[job.key] = job.experiment
        self.do(self.queue.ended, worker, job.id, state, "it was not to be" if state == "failed" else None)
        assert job.state == ("cancelled" if cancelled else state)

    @precondition(lambda self: self.those("idle", "compiling", "training"))
    @rule(data=st.data())
    def hang(self, data):
        self.workers[data.draw(st.sampled_from(self.those("idle", "compiling", "training")))] = "hung"

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data):
        worker = data.draw(st.sampled_from(sorted(self.workers)))
        del self.workers[worker]
        self.at.pop(worker, None)
        self.do(self.queue.lost, worker, "exit code 1: boom")

    @rule(full=st.booleans())
    def disk(self, full):
        self.disk_is_full = full

    # what holds at any time

    @invariant()
    def one_training_a_key_and_one_job_a_worker(self):
        running = [place.job for place in self.queue._places if place.job and place.job.state == "running"]
        keys = [job.key for job in [*running, *self.queue._waiting.values()]]
        assert len(set(keys)) == len(keys)
        for key, job in self.queue._jobs.items():
            assert job.active == (key in keys)
            assert bool(job.watchers) == job.active
            if job.state == "failed":
                assert job.error
            if job.state == "queued":
                assert self.queue.status(key).position >= 1

    @invariant()
    def what_is_open_for_a_visitor_is_what_they_watch(self):
        watched = {(visitor, key) for key, job in self.queue._jobs.items() if job.active for visitor in job.watchers}
        assert watched == {(visitor, key) for visitor, jobs in self.queue._open.items() for key in jobs}

    @invariant()
    def what_is_done_is_there(self):
        for key, job in self.queue._jobs.items():
            if job.state == "done":
                assert key in self.memory
                assert job.step == job.experiment.steps

    @invariant()
    def nobody_starves(self):
        for visitor, others in self.waited.items():
            assert others <= len(VISITORS) + self.places + self.spare, visitor

    @invariant()
    def a_worker_that_is_idle_has_nothing_to_do(self):
        if any(place.state == "idle" and not place.spare for place in self.queue._places):
            assert not self.queue._waiting

    def teardown(self):
        """From wherever we are: with workers that work, every job ends, and what is watched is trained."""
        if not hasattr(self, "queue"):
            return
        for _ in range(200):
            for worker in self.those("hung", "killed"):
                del self.workers[worker]
                self.at.pop(worker, None)
                self.do(self.queue.lost, worker, "killed")
            for worker in self.those("starting"):
                self.workers[worker] = "idle"
                self.do(self.queue.ready, worker)
            for worker in self.those("compiling"):
                self.workers[worker] = "training"
                self.do(self.queue.training, worker, self.at[worker].id)
            for worker in self.those("training"):
                self.finish(worker, "done")
            active = [key for key, job in self.queue._jobs.items() if job.active]
            if not active:
                break
            self.now += 1
            for visitor in VISITORS:
                self.do(self.queue.touch, list(self.queue._open.get(visitor, {})), visitor)
            self.do(self.queue.tick)
        assert not active
        assert {job.state for job in self.queue._jobs.values()} <= {"done", "failed", "cancelled"}
        assert self.stored.keys() <= self.memory.keys()


TestEverything = Everything.TestCase
TestEverything.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
