"""The experiment as a script of plain PyTorch, under 80 lines: the same data, start, loss and schedule, without toyviz.

It is written from the definitions, not from the engines, and has random numbers of its own: so its numbers are those of
another seed. What an experiment does not use stands in no line of it.
"""

from __future__ import annotations

from toyviz.citation import CITATION
from toyviz.experiment import INITS, Experiment

MOST_LINES = 80
TESTED = 10_000  # new samples


def pytorch_script(experiment: Experiment, caption: str, link: str) -> str:
    """The script. Its first argument, if there is one, is another seed; its last line is JSON with both losses."""
    parts = [
        _head(experiment, caption, link),
        _data(experiment),
        _start(experiment),
        _network(experiment),
        _loss(experiment),
        _training(experiment),
        _end(experiment),
    ]
    return "\n".join(_spaced([line for part in parts for line in (*part, "")][:-1])) + "\n"


def _head(e: Experiment, caption: str, link: str) -> list[str]:
    sizes = [f"n, m = {e.n_features}, {e.n_hidden}  # features, hidden units"]
    if e.data_row.drawn:
        sizes.append(f"S = {e.sparsity!r}  # the chance that a feature is zero")
    if e.data_row.grouped:
        told = {"all": "all are active or none", "one": "at most one is active"}[e.data_row.grouped]
        sizes.append(f"G = {e.group_size}  # features of a group, of which {told}")
    if e.task_row.embedded:
        sizes.append(f"B = {e.n_embed}  # width of the random projection")
    sizes.append(
        f"BATCH = {e.batch_size}  # new samples at each step"
        if e.fresh
        else f"T = {e.training_size}  # training samples"
    )
    if e.minibatch is not None:
        sizes.append(f"BATCH = {e.minibatch}  # of them at a step")
        sizes.append("EPOCH = math.ceil(T / BATCH)  # steps")
    return [
        *(f"# {line}" for line in (caption, link, CITATION)),
        *("import json", "import math", "import sys", "", "import torch", ""),
        *sizes,
        f"STEPS, LR, WARMUP, DECAY = {e.steps}, {e.lr!r}, {e.warmup}, {e.weight_decay!r}",
        f"SEED = int(sys.argv[1]) if len(sys.argv) > 1 else {e.seed}",
        "torch.set_flush_denormal(True)  # else the moments of a memorised set slow each step down",
    ]


def _data(e: Experiment) -> list[str]:
    """The features, and the inputs and targets that the task makes of them."""
    task, lines = e.task_row, [f"torch.manual_seed({'SEED' if e.data_seed is None else e.data_seed})  # of the data"]
    if task.embedded:
        lines.append("E = torch.randn(n, B)  # never trained")
    if task.target == "reembedded":
        lines.append("E2 = torch.randn(n, B)  # what has to be reached")
    if e.data_row.drawn:
        lines += _features(e)
    lines += ["def task(X):  # inputs, targets", *_task(e)]
    if not e.fresh:
        lists = {"one_hot": "torch.eye(n)", "antipodal": "torch.stack([torch.eye(n), -torch.eye(n)], 1).reshape(T, n)"}
        X = lists.get(e.data, "features(T)")
        lines.append(f"inputs, targets = task({X})")
    return lines


def _features(e: Experiment) -> list[str]:
    """The function that draws sparse features."""
    unit = " / X.norm(dim=1, keepdim=True).clamp(min=1e-30)  # of length 1; nothing stays nothing"
    a_group = "torch.rand(size, n // G).repeat_interleave(G, dim=1)  # a number a group"
    zeros = {
        None: ["    X[torch.rand(size, n) < S] = 0"],
        "all": [f"    u = {a_group}", "    X[u < S] = 0"],
        "one": [
            f"    u = {a_group}",
            "    first = torch.arange(n) % G * (1 - S)",
            "    X[(u < first) | (u >= first + 1 - S)] = 0",
        ],
    }[e.data_row.grouped]
    return ["def features(size):", "    X = torch.rand(size, n)", *zeros, f"    return X{unit if e.normalize else ''}"]


def _task(e: Experiment) -> list[str]:
    inputs = "X @ E" if e.task_row.embedded else "X"
    if e.task_row.target == "label" and e.data == "antipodal":
        return ["    return X, torch.eye(T)  # a class each"]
    if e.task_row.target == "label":
        return [
            "    targets = torch.nn.functional.one_hot(X.argmax(dim=1), n).float()",
            "    return X, targets * X.any(dim=1, keepdim=True)  # no class where nothing is active",
        ]
    if e.task_row.target == "shares":
        return ["    return X, X / X.sum(dim=1, keepdim=True).clamp(min=1e-30)  # nothing stays nothing"]
    targets = {"features": "X", "input": inputs, "reembedded": "X @ E2"}[e.task_row.target]
    return [f"    return {inputs}, {targets}"]


def _start(e: Experiment) -> list[str]:
    """The parameters before the first step."""
    arch, init = e.arch_row, INITS[e.init]
    fan_in, fan_out = ("B" if e.task_row.embedded else "n"), {False: "n", True: "B"}[e.n_outputs == e.n_embed]
    if e.n_outputs == 2 * e.n_features:
        fan_out = "2 * n"
    lines = [] if e.data_seed is None else ["torch.manual_seed(SEED)  # of the start"]
    drawn = _drawn(init.distribution, "2 / (rows + columns)" if init.scale == "xavier" else "1 / (3 * columns)")
    lines += ["def weights(rows, columns):", f"    return {drawn}"]
    named = {"W1": f"weights(m, {fan_in})"}
    if not arch.tied:
        named["W2"] = f"weights({fan_out}, m)"
    if init.keys:
        named |= _keys(e, lines, fan_in)
    for name, present, size, fan in (("b1", arch.hidden_bias, "m", fan_in), ("b2", arch.output_bias, fan_out, "m")):
        if present:
            named[name] = _bias(e, size, fan)
    listed = ", ".join(f"{name!r}: {value}" for name, value in named.items()).replace("'", '"')
    lines += [f"P = {{{listed}}}", "P = {name: values.clone().requires_grad_() for name, values in P.items()}"]
    return lines


def _keys(e: Experiment, lines: list[str], fan_in: str) -> dict[str, str]:
    """Rows of W1 that are written, not drawn, and their values; what they need is added to the lines."""
    init = INITS[e.init]
    if init.keys == "one_hots":
        return {"W1": f"torch.eye({fan_in})[torch.randperm({fan_in})[:m]]"}
    lines.append("chosen = torch.randperm(T)[:m]")
    if init.keys == "centres":
        lines += [
            "centres = inputs[chosen]",
            "for _ in range(50):  # k-means, by Lloyd's rounds",
            "    nearest = torch.cdist(inputs, centres).argmin(dim=1)",
            "    members = [inputs[nearest == k] for k in range(m)]",
            "    centres = torch.stack([x.mean(dim=0) if len(x) else c for x, c in zip(members, centres)])",
        ]
        return {"W1": "centres"}
    return {"W1": "inputs[chosen]"} | ({"W2": "targets[chosen].T"} if init.values else {})


def _bias(e: Experiment, size: str, fan_in: str) -> str:
    if e.bias_init == "zeros":
        return f"torch.full(({size},), {e.bias_offset!r})" if e.bias_offset else f"torch.zeros({size})"
    if e.bias_init == "normal":
        drawn = f"torch.randn({size})"
    elif e.bias_init == "linear_normal":
        drawn = f"torch.randn({size}) / math.sqrt(3 * {fan_in})"
    else:
        drawn = f"(2 * torch.rand({size}) - 1) / math.sqrt({fan_in})"
    return drawn + (f" + {e.bias_offset!r}" if e.bias_offset else "")


def _drawn(distribution: str, variance: str) -> str:
    if distribution == "normal":
        return f"torch.randn(rows, columns) * math.sqrt({variance})"
    return f"(2 * torch.rand(rows, columns) - 1) * math.sqrt(3 * {variance})"


def _network(e: Experiment) -> list[str]:
    arch = e.arch_row
    hidden = 'x @ P["W1"].T' + (' + P["b1"]' if arch.hidden_bias else "")
    output = f"hidden @ {'P[#W1#]' if arch.tied else 'P[#W2#].T'}".replace("#", '"') + (
        ' + P["b2"]' if arch.output_bias else ""
    )
    return [
        "def network(x):",
        f"    hidden = {f'({hidden}).relu()' if arch.hidden_relu else hidden}",
        f"    return {_activated(output, e)}",
    ]


def _activated(output: str, e: Experiment) -> str:
    """The output as it leaves the network."""
    if e.arch_row.output_relu:
        return f"({output}).relu()"
    return f"({output}).abs()" if e.arch_row.output_abs else output


def _loss(e: Experiment) -> list[str]:
    if e.task_row.loss == "cross_entropy":
        return [
            "def loss(x, y):  # the mean over samples",
            "    return -(y * network(x).log_softmax(dim=1)).sum(dim=1).mean()",
        ]
    weight = f"{e.importance_decay!r} ** torch.arange(n) * " if e.importance_decay != 1 else ""
    return [
        "def loss(x, y):  # summed over features, the mean over samples",
        f"    return ({weight}(network(x) - y) ** 2).sum(dim=1).mean()",
    ]


RATES = {
    "constant": ["    return LR"],
    "warmup_cosine": [
        "    if s <= WARMUP:",
        "        return LR * s / WARMUP",
        "    return LR * (1 + math.cos(math.pi * (s - WARMUP) / max(STEPS - WARMUP, 1))) / 2",
    ],
    "quarter_cosine": ["    return LR * math.cos(math.pi * (s - 1) / (2 * max(STEPS - 1, 1)))"],
    "warmup_from_tenth": [
        "    if s <= WARMUP:",
        "        return LR * (0.1 + 0.9 * (s - 1) / WARMUP)",
        "    return LR * (1 + math.cos(math.pi * (s - 1 - WARMUP) / max(STEPS - WARMUP, 1))) / 2",
    ],
}


def _training(e: Experiment) -> list[str]:
    how = "AdamW(P.values(), weight_decay=DECAY)"
    if e.optimizer == "sgd":
        how = "SGD(P.values(), lr=LR, momentum=0.9, weight_decay=DECAY)"
    batch = "*task(features(BATCH))" if e.fresh else "inputs, targets"
    drawn = []
    if e.minibatch is not None:
        batch = "inputs[seen], targets[seen]"
        drawn = [
            "    if (s - 1) % EPOCH == 0:  # every sample once an epoch",
            "        order = torch.randperm(T)",
            "    seen = order[(s - 1) % EPOCH * BATCH :][:BATCH]",
        ]
    return [
        "def rate(s):  # of step s = 1, 2, ..., STEPS",
        *RATES[e.schedule],
        f"optimizer = torch.optim.{how}",
        "for s in range(1, STEPS + 1):",
        '    optimizer.param_groups[0]["lr"] = rate(s)',
        *drawn,
        "    optimizer.zero_grad()",
        f"    loss({batch}).backward()",
        "    optimizer.step()",
    ]


def _end(e: Experiment) -> list[str]:
    train = "None  # every batch was new" if e.fresh else "loss(inputs, targets).item()"
    test = "None  # every input was trained on" if not e.data_row.drawn else f"loss(*task(features({TESTED}))).item()"
    return [
        "with torch.no_grad():",
        f"    train_loss = {train}",
        f"    test_loss = {test}",
        'print(json.dumps({"train_loss": train_loss, "test_loss": test_loss}))',
    ]


def _spaced(lines: list[str]) -> list[str]:
    """Two empty lines around each function, one elsewhere where there is any."""
    spaced: list[str] = []
    inside = False
    for line in lines:
        leaves = inside and bool(line) and not line.startswith(" ")
        if line.startswith("def ") or leaves:
            while spaced and not spaced[-1]:
                spaced.pop()
            spaced += ["", ""]
        inside = line.startswith("def ") or (inside and not leaves)
        spaced.append(line)
    return spaced
