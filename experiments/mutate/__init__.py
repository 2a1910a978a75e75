"""Mutation testing of ``manualnet.functional``: plant one small fault, run the proof, see whether it notices.

Kept tools were tried and do not fit. mutmut 3.8 forks too, but calls every function through a trampoline, which breaks
``torch.compile(fullgraph=True)``, and has no operator that drops a factor or a sum, swaps operands or loses a
transpose. cosmic-ray 8.7 lacks the same operators, edits the tree on disk and starts a process for each mutant, which
imports torch for about four seconds. Here a parent that has imported torch, and nothing of manualnet, forks a child
for each mutant.
"""
