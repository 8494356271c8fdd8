#!/usr/bin/env cwl-runner
cwlVersion: v1.2
$namespaces: {rubin: 'urn:rubincwl:'}
$graph:
- id: isr
  class: CommandLineTool
  label: isr
  doc: test.isr, a quantum for each exposure, detector
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {exposure: long, detector: long}
          inputs:
            type:
              type: record
              fields: {bias: File, raw: File}
  outputs:
    _log:
      type: File
      outputBinding: {glob: isr_log-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
    _metadata:
      type: File
      outputBinding: {glob: isr_metadata-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
    cpDarkIsr:
      type: File
      outputBinding: {glob: cpDarkIsr-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
    _record:
      type: File
      outputBinding: {glob: isr_record-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs._quantum.inputs.bias), $(inputs._quantum.inputs.raw)]
  hints:
  - {class: 'rubin:Task', label: isr}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, isr, exposure=$(inputs._quantum.data_id.exposure), detector=$(inputs._quantum.data_id.detector)]
- id: cpDark
  class: CommandLineTool
  label: cpDark
  doc: test.cpDark, a quantum for each exposure, detector
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {exposure: long, detector: long}
    cpDarkIsr: File
  outputs:
    _log:
      type: File
      outputBinding: {glob: cpDark_log-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
    _metadata:
      type: File
      outputBinding: {glob: cpDark_metadata-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
    cpDarkProc:
      type: File
      outputBinding: {glob: cpDarkProc-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
    _record:
      type: File
      outputBinding: {glob: cpDark_record-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.cpDarkIsr)]
  hints:
  - {class: 'rubin:Task', label: cpDark}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, cpDark, exposure=$(inputs._quantum.data_id.exposure), detector=$(inputs._quantum.data_id.detector)]
- id: cpCombine
  class: CommandLineTool
  label: cpCombine
  doc: test.cpCombine, a quantum for each detector
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {detector: long}
    cpDarkProc:
      type: {type: array, items: File}
  outputs:
    _log:
      type: File
      outputBinding: {glob: cpCombine_log-$(inputs._quantum.data_id.detector)}
    _metadata:
      type: File
      outputBinding: {glob: cpCombine_metadata-$(inputs._quantum.data_id.detector)}
    dark:
      type: File
      outputBinding: {glob: dark-$(inputs._quantum.data_id.detector)}
    _record:
      type: File
      outputBinding: {glob: cpCombine_record-$(inputs._quantum.data_id.detector)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.cpDarkProc)]
  hints:
  - {class: 'rubin:Task', label: cpCombine}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, cpCombine, detector=$(inputs._quantum.data_id.detector)]
- id: each_exposure
  class: Workflow
  label: for each exposure
  inputs:
    _runner: File
    _graph: File
    _butler: File
    isr__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {exposure: long, detector: long}
          inputs:
            type:
              type: record
              fields: {bias: File, raw: File}
    cpDark__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {exposure: long, detector: long}
  outputs:
    isr___log: {type: File, outputSource: isr/_log}
    isr___metadata: {type: File, outputSource: isr/_metadata}
    isr__cpDarkIsr: {type: File, outputSource: isr/cpDarkIsr}
    isr___record: {type: File, outputSource: isr/_record}
    cpDark___log: {type: File, outputSource: cpDark/_log}
    cpDark___metadata: {type: File, outputSource: cpDark/_metadata}
    cpDark__cpDarkProc: {type: File, outputSource: cpDark/cpDarkProc}
    cpDark___record: {type: File, outputSource: cpDark/_record}
  steps:
    isr:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: isr__quanta}
      out: [_log, _metadata, cpDarkIsr, _record]
      run: '#isr'
    cpDark:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: cpDark__quanta, cpDarkIsr: isr/cpDarkIsr}
      out: [_log, _metadata, cpDarkProc, _record]
      run: '#cpDark'
- id: each_detector
  class: Workflow
  label: for each detector
  inputs:
    _runner: File
    _graph: File
    _butler: File
    isr__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {exposure: long, detector: long}
            inputs:
              type:
                type: record
                fields: {bias: File, raw: File}
    cpDark__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {exposure: long, detector: long}
    cpCombine__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {detector: long}
  outputs:
    isr___log:
      type: {type: array, items: File}
      outputSource: each_exposure/isr___log
    isr___metadata:
      type: {type: array, items: File}
      outputSource: each_exposure/isr___metadata
    isr__cpDarkIsr:
      type: {type: array, items: File}
      outputSource: each_exposure/isr__cpDarkIsr
    isr___record:
      type: {type: array, items: File}
      outputSource: each_exposure/isr___record
    cpDark___log:
      type: {type: array, items: File}
      outputSource: each_exposure/cpDark___log
    cpDark___metadata:
      type: {type: array, items: File}
      outputSource: each_exposure/cpDark___metadata
    cpDark__cpDarkProc:
      type: {type: array, items: File}
      outputSource: each_exposure/cpDark__cpDarkProc
    cpDark___record:
      type: {type: array, items: File}
      outputSource: each_exposure/cpDark___record
    cpCombine___log: {type: File, outputSource: cpCombine/_log}
    cpCombine___metadata: {type: File, outputSource: cpCombine/_metadata}
    cpCombine__dark: {type: File, outputSource: cpCombine/dark}
    cpCombine___record: {type: File, outputSource: cpCombine/_record}
  requirements:
  - {class: SubworkflowFeatureRequirement}
  - {class: ScatterFeatureRequirement}
  steps:
    each_exposure:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, isr__quanta: isr__quanta, cpDark__quanta: cpDark__quanta}
      out: [isr___log, isr___metadata, isr__cpDarkIsr, isr___record, cpDark___log, cpDark___metadata, cpDark__cpDarkProc,
        cpDark___record]
      run: '#each_exposure'
      scatter: [isr__quanta, cpDark__quanta]
      scatterMethod: dotproduct
    cpCombine:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: cpCombine__quanta, cpDarkProc: each_exposure/cpDark__cpDarkProc}
      out: [_log, _metadata, dark, _record]
      run: '#cpCombine'
- id: main
  class: Workflow
  doc: the dark shape
  inputs:
    _runner: File
    _graph: File
    _butler: File
    isr__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: record
            fields:
              data_id:
                type:
                  type: record
                  fields: {exposure: long, detector: long}
              inputs:
                type:
                  type: record
                  fields: {bias: File, raw: File}
    cpDark__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: record
            fields:
              data_id:
                type:
                  type: record
                  fields: {exposure: long, detector: long}
    cpCombine__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {detector: long}
  outputs:
    isr___log:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/isr___log
    isr___metadata:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/isr___metadata
    isr__cpDarkIsr:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/isr__cpDarkIsr
    isr___record:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/isr___record
    cpDark___log:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/cpDark___log
    cpDark___metadata:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/cpDark___metadata
    cpDark__cpDarkProc:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/cpDark__cpDarkProc
    cpDark___record:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_detector/cpDark___record
    cpCombine___log:
      type: {type: array, items: File}
      outputSource: each_detector/cpCombine___log
    cpCombine___metadata:
      type: {type: array, items: File}
      outputSource: each_detector/cpCombine___metadata
    cpCombine__dark:
      type: {type: array, items: File}
      outputSource: each_detector/cpCombine__dark
    cpCombine___record:
      type: {type: array, items: File}
      outputSource: each_detector/cpCombine___record
  requirements:
  - {class: SubworkflowFeatureRequirement}
  - {class: ScatterFeatureRequirement}
  steps:
    each_detector:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, isr__quanta: isr__quanta, cpDark__quanta: cpDark__quanta,
        cpCombine__quanta: cpCombine__quanta}
      out: [isr___log, isr___metadata, isr__cpDarkIsr, isr___record, cpDark___log, cpDark___metadata, cpDark__cpDarkProc,
        cpDark___record, cpCombine___log, cpCombine___metadata, cpCombine__dark, cpCombine___record]
      run: '#each_detector'
      scatter: [isr__quanta, cpDark__quanta, cpCombine__quanta]
      scatterMethod: dotproduct
