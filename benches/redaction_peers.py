"""What other tools find, for detection_quality.py and redaction.py.

Run by the interpreter of the tool's own environment, without a network:
    python redaction_peers.py detect-secrets | presidio    one [text, file ending] in JSON a line

On standard output: for each text a list of [start, end, kind] in characters, then
one line with the processor's seconds that finding took.
"""

import contextlib
import json
import pathlib
import sys
import tempfile
import time


def detect_secrets(stack):
    from detect_secrets.core import scan
    from detect_secrets.settings import default_settings

    stack.enter_context(default_settings())
    folder = stack.enter_context(tempfile.TemporaryDirectory())

    def find(text, ending):
        # As a file: what it does with a single line is another mode, for trying out.
        path = pathlib.Path(folder, f"one.{ending}")
        path.write_text(text)
        starts = [start for start, _ in lines(text)]
        found = []
        for secret in scan.scan_file(str(path)):
            line_start = starts[secret.line_number - 1]
            line = text[line_start:].split("\n", 1)[0]
            value = secret.secret_value or ""
            at = line.find(value) if value else -1
            start, end = (at, at + len(value)) if at >= 0 else (0, len(line))
            found.append([line_start + start, line_start + end, secret.type])
        return found

    return find


def presidio(_stack):
    import socket

    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    # Its recogniser of e-mail addresses would load a list from the network.
    def refuse(*_):
        raise OSError("no network in a benchmark")

    socket.socket.connect = refuse

    class Blank(SpacyNlpEngine):
        """No model of names: they are not on the registry."""

        def __init__(self):
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self):
            self.nlp = {"en": spacy.blank("en")}

    engine = AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])
    for recogniser in list(engine.registry.recognizers):
        if recogniser.name == "SpacyRecognizer":
            engine.registry.recognizers.remove(recogniser)
    return lambda text, _ending: [[one.start, one.end, one.entity_type] for one in engine.analyze(text, language="en")]


def lines(text):
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def main():
    with contextlib.ExitStack() as stack:
        find = {"detect-secrets": detect_secrets, "presidio": presidio}[sys.argv[1]](stack)
        texts = [json.loads(line) for line in sys.stdin]
        find("warm up", "txt")
        begin = time.process_time()
        found = [find(*text) for text in texts]
        spent = time.process_time() - begin
    for one in found:
        print(json.dumps(one))
    print(spent)


if __name__ == "__main__":
    main()
