"""Which customers leave: a scikit-learn pipeline on a table with numbers, texts and gaps."""

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["months", "calls", "age"]
TEXTS = ["plan"]


def fit(columns, left):
    """The model for a table, given as a dict of columns, and for who of it has left."""
    prepared = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
        ]
    )
    return make_pipeline(prepared, LogisticRegression()).fit(pd.DataFrame(columns), left)


def predict(model, columns):
    """The rows of another table: who is expected to leave, and how likely that is."""
    table = pd.DataFrame(columns)
    leaves = list(model.classes_).index(1)
    return pd.DataFrame({"leaves": model.predict(table), "probability": model.predict_proba(table)[:, leaves]})
