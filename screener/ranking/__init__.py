"""What makes one molecule better than another: objectives, constraints, scores, top-k, presets.

Pure functions over tables; how the predictions were made and where the result is stored lives
elsewhere.
"""
