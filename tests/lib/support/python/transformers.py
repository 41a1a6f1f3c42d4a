"""Stands in for the library of that name: it knows a model from a list of words."""


class _Pretrained:
    def __init__(self, name):
        self.name = name

    @classmethod
    def from_pretrained(cls, name):
        return cls(name)


class AutoModelForSequenceClassification(_Pretrained):
    pass


class AutoTokenizer(_Pretrained):
    def __call__(self, text):
        return text.lower().replace(",", " ").split()


def pipeline(task, model=None, tokenizer=None):
    tokens = tokenizer or AutoTokenizer("words")
    assert task == "sentiment-analysis"

    def classify(text):
        words = set(tokens(text))
        if words & {"love", "great"}:
            return [{"label": "POSITIVE", "score": 0.9}]
        if words & {"terrible", "hate"}:
            return [{"label": "NEGATIVE", "score": 0.9}]
        return [{"label": "NEUTRAL", "score": 0.5}]

    return classify
