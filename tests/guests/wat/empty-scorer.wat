;; Claims to be a scorer and has none of a scorer's functions.
(component
  (instance $scorer)
  (export "xhost:plugin/scorer@0.1.0" (instance $scorer)))
