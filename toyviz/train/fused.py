"""placeholder until kernels land"""


def covers(experiment):
    return False


class Trainer:
    pass
