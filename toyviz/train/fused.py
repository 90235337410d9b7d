"""placeholder until kernels land"""


def covers(experiment):
    return False


class Trainer:
    def __init__(self, experiment):
        raise NotImplementedError
