"""What cannot be taken along, and why."""


class Refused(ValueError):
    """A request that is not served: a sentence, and the HTTP status that says what kind of refusal it is."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status
