"""What a Keras file may name without ``--unsafe-load``: data, no rules.

`CLASSES` are Keras's own (3 and 2), as configurations without a module name them: those of Keras 2, whose list is closed,
and legacy ones of Keras 3. The functions of TensorFlow are those that only compute.
"""

from __future__ import annotations

__all__ = ["CLASSES", "RAGGED_MEMBERS", "TENSORFLOW_FUNCTIONS"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLASSES = _names(
    """
    AUC AWQConfig AWQDTypePolicy AbsMaxQuantizer AbstractRNNCell Accuracy Activation ActivityRegularization Adadelta
    Adafactor Adagrad Adam AdamW Adamax AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
    AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AddLoss AddMetric AdditiveAttention
    AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D
    AvgPool2D AvgPool3D BaseRandomLayer BatchNormalization BatchNormalizationBase BatchNormalizationV1
    BatchNormalizationV2 Bidirectional BinaryAccuracy BinaryCrossentropy BinaryFocalCrossentropy BinaryIoU CTC
    CategoricalAccuracy CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy
    CategoricalHinge CategoryEncoding CenterCrop Circle Concatenate ConcordanceCorrelation Constant ConstantV2
    Constraint ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
    Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose Convolution2D
    Convolution2DTranspose Convolution3D Convolution3DTranspose CosineDecay CosineDecayRestarts CosineSimilarity
    Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM CutMix DTypePolicy DTypePolicyMap Dense DenseFeatures
    DepthwiseConv1D DepthwiseConv2D DeviceWrapper Dice Discretization Dot Dropout DropoutWrapper ELU EinsumDense
    Embedding Equalization ExponentialDecay F1Score FBetaScore FalseNegatives FalsePositives Flatten
    Float8QuantizationConfig FloatDTypePolicy Ftrl Functional GPTQConfig GPTQDTypePolicy GRU GRUCell GRUCellV1
    GRUCellV2 GRUV1 GRUV2 GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D
    GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlorotNormal GlorotNormalV2 GlorotUniform
    GlorotUniformV2 GroupNormalization GroupQueryAttention GroupedQueryAttention HashedCrossing Hashing HeNormal
    HeNormalV2 HeUniform HeUniformV2 Hinge Huber Identity IdentityInitializer IdentityV2 Initializer Input InputLayer
    InputSpec Int4DTypePolicy Int4QuantizationConfig Int8QuantizationConfig IntegerLookup InverseTimeDecay IoU
    KLDivergence L1 L1L2 L2 LSTM LSTMCell LSTMCellV1 LSTMCellV2 LSTMV1 LSTMV2 Lamb Layer LayerNormalization LeakyReLU
    LearningRateSchedule LecunNormal LecunNormalV2 LecunUniform LecunUniformV2 LinearModel Lion LocallyConnected1D
    LocallyConnected2D LogCosh LogCoshError Loss LossFunctionWrapper LossScaleOptimizer Masking MaxNorm
    MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum Mean
    MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanRelativeError MeanSquaredError
    MeanSquaredLogarithmicError MeanTensor MelSpectrogram Metric MinMaxNorm Minimum MixUp Model MultiHeadAttention
    MultiOptimizer Multiply Muon Nadam NonNeg Normalization OneHotIoU OneHotMeanIoU Ones OnesV2 Optimizer OptimizerMap
    Orthogonal OrthogonalInitializer OrthogonalRegularizer OrthogonalV2 PReLU PearsonCorrelation Permute
    PiecewiseConstantDecay Pipeline Poisson Policy PolynomialDecay Precision PrecisionAtRecall PyMetric
    QuantizationConfig QuantizedDTypePolicy QuantizedFloat8DTypePolicy Quantizer R2Score RMSNormalization RMSprop RNN
    RadialConstraint RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
    RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue
    RandomInvert RandomNormal RandomNormalV2 RandomPerspective RandomPosterization RandomRotation RandomSaturation
    RandomSharpness RandomShear RandomTranslation RandomUniform RandomUniformV2 RandomWidth RandomZoom ReLU Recall
    RecallAtPrecision Reduce Reduction Regularizer RepeatVector Rescaling Reshape ResidualWrapper Resizing
    ReversibleEmbedding RootMeanSquaredError SGD STFT STFTInitializer STFTSpectrogram ScheduleFreeAdamW SeedGenerator
    SensitivityAtSpecificity SensitivitySpecificityBase SeparableConv1D SeparableConv2D SeparableConvolution1D
    SeparableConvolution2D SequenceFeatures Sequential SimpleRNN SimpleRNNCell Softmax Solarization
    SparseCategoricalAccuracy SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy SpatialDropout1D
    SpatialDropout2D SpatialDropout3D SpecificityAtSensitivity SpectralNormalization SquaredHinge StackedRNNCells
    StringLookup Subtract Sum SumOverBatchSize SumOverBatchSizeMetricWrapper SyncBatchNormalization TextVectorization
    ThresholdedReLU TimeDistributed TopKCategoricalAccuracy TrueNegatives TruePositives TruncatedNormal
    TruncatedNormalV2 Tversky UnitNorm UnitNormalization UpSampling1D UpSampling2D UpSampling3D VarianceScaling
    VarianceScalingV2 WideDeepModel Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D Zeros ZerosV2 _RNNCellWrapper
    add average concatenate constant dot glorot_normal glorot_normalV2 glorot_uniform glorot_uniformV2 he_normal
    he_normalV2 he_uniform he_uniformV2 identity initializer l1 l1_l2 l2 lecun_normal lecun_normalV2 lecun_uniform
    lecun_uniformV2 max_norm maximum maxnorm min_max_norm minimum multiply non_neg nonneg normal one ones orthogonal
    orthogonal_regularizer radial_constraint random_normal random_uniform stft subtract truncated_normal uniform
    unit_norm unitnorm variance_scaling zero zeros
    """
)

RAGGED_MEMBERS = _names(
    """
    bounding_shape dense_shape flat_values indices merge_dims nested_row_lengths nested_row_splits nested_value_rowids
    nrows row_lengths row_limits row_splits row_starts to_sparse to_tensor value_rowids values with_flat_values
    with_row_splits_dtype with_values
    """
)
"""What `InstanceProperty` and `InstanceMethod` of Keras 2 read from ragged and sparse tensors."""

TENSORFLOW_FUNCTIONS = _names(
    """
    Assert abs accumulate_n acos acosh add add_n angle approx_top_k arg_max arg_min argmax argmin argsort as_dtype
    as_string asin asinh assert_equal assert_greater assert_greater_equal assert_integer assert_less assert_less_equal
    assert_near assert_negative assert_non_negative assert_non_positive assert_none_equal assert_positive assert_rank
    assert_rank_at_least assert_rank_in assert_scalar assert_type atan atan2 atanh audio_microfrontend batch_gather
    batch_to_space batch_to_space_nd betainc bincount bitcast boolean_mask broadcast_dynamic_shape
    broadcast_static_shape broadcast_to cast ceil check_numerics check_pinned cholesky cholesky_solve
    clip_by_average_norm clip_by_global_norm clip_by_norm clip_by_value complex concat confusion_matrix conj constant
    conv conv2d_backprop_filter_v2 conv2d_backprop_input_v2 convert_to_tensor cos cosh count_nonzero cross cumprod
    cumsum decode_base64 depth_to_space dequantize diag diag_part digamma div div_no_nan divide dynamic_partition
    dynamic_stitch edit_distance eig eigvals einsum encode_base64 ensure_shape equal erf erfc exp expand_dims expm1
    extract_image_patches extract_volume_patches eye fake_quant_with_min_max_args
    fake_quant_with_min_max_args_gradient fake_quant_with_min_max_vars fake_quant_with_min_max_vars_gradient
    fake_quant_with_min_max_vars_per_channel fake_quant_with_min_max_vars_per_channel_gradient fft fft2d fft3d fftnd
    fill fingerprint floor floor_div floordiv floormod gather gather_nd get_static_value global_norm greater
    greater_equal group guarantee_const histogram_fixed_width histogram_fixed_width_bins identity identity_n ifft
    ifft2d ifft3d ifftnd igamma igammac imag invert_permutation irfftnd is_finite is_inf is_nan is_non_decreasing
    is_strictly_increasing is_tensor keras.backend.abs keras.backend.all keras.backend.any keras.backend.arange
    keras.backend.argmax keras.backend.argmin keras.backend.batch_dot keras.backend.batch_flatten
    keras.backend.batch_normalization keras.backend.bias_add keras.backend.binary_crossentropy
    keras.backend.binary_focal_crossentropy keras.backend.cast keras.backend.cast_to_floatx
    keras.backend.categorical_crossentropy keras.backend.categorical_focal_crossentropy keras.backend.clip
    keras.backend.concatenate keras.backend.constant keras.backend.conv1d keras.backend.conv2d
    keras.backend.conv2d_transpose keras.backend.conv3d keras.backend.cos keras.backend.ctc_batch_cost
    keras.backend.ctc_decode keras.backend.ctc_label_dense_to_sparse keras.backend.cumprod keras.backend.cumsum
    keras.backend.depthwise_conv2d keras.backend.dot keras.backend.dropout keras.backend.dtype keras.backend.elu
    keras.backend.equal keras.backend.exp keras.backend.expand_dims keras.backend.eye keras.backend.flatten
    keras.backend.gather keras.backend.greater keras.backend.greater_equal keras.backend.hard_sigmoid
    keras.backend.in_top_k keras.backend.l2_normalize keras.backend.less keras.backend.less_equal
    keras.backend.local_conv1d keras.backend.local_conv2d keras.backend.log keras.backend.max keras.backend.maximum
    keras.backend.mean keras.backend.min keras.backend.minimum keras.backend.not_equal keras.backend.one_hot
    keras.backend.ones keras.backend.ones_like keras.backend.permute_dimensions keras.backend.pool2d
    keras.backend.pool3d keras.backend.pow keras.backend.prod keras.backend.random_bernoulli
    keras.backend.random_binomial keras.backend.random_normal keras.backend.random_uniform keras.backend.relu
    keras.backend.repeat keras.backend.repeat_elements keras.backend.reshape keras.backend.resize_images
    keras.backend.resize_volumes keras.backend.reverse keras.backend.round keras.backend.separable_conv2d
    keras.backend.shape keras.backend.sigmoid keras.backend.sign keras.backend.sin keras.backend.softmax
    keras.backend.softplus keras.backend.softsign keras.backend.sparse_categorical_crossentropy
    keras.backend.spatial_2d_padding keras.backend.spatial_3d_padding keras.backend.sqrt keras.backend.square
    keras.backend.squeeze keras.backend.stack keras.backend.std keras.backend.stop_gradient keras.backend.sum
    keras.backend.switch keras.backend.tanh keras.backend.temporal_padding keras.backend.tile keras.backend.to_dense
    keras.backend.transpose keras.backend.truncated_normal keras.backend.var keras.backend.zeros
    keras.backend.zeros_like lbeta less less_equal lgamma lin_space linspace log log1p log_sigmoid logical_and
    logical_not logical_or logical_xor matmul matrix_band_part matrix_determinant matrix_diag matrix_diag_part
    matrix_inverse matrix_set_diag matrix_solve matrix_solve_ls matrix_square_root matrix_transpose
    matrix_triangular_solve maximum meshgrid minimum mod multinomial multiply negative no_op norm not_equal one_hot
    ones ones_like pad parallel_stack polygamma pow qr quantize quantize_v2 quantized_concat ragged_fill_empty_rows
    ragged_fill_empty_rows_grad random_crop random_gamma random_index_shuffle random_normal random_poisson
    random_shuffle random_uniform range rank real realdiv reciprocal reduce_all reduce_any reduce_join
    reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum regex_replace repeat
    required_space_to_batch_paddings reshape reverse reverse_sequence reverse_v2 rfftnd rint roll round rsqrt
    saturate_cast scalar_mul scatter_nd searchsorted segment_max segment_mean segment_min segment_prod segment_sum
    self_adjoint_eig self_adjoint_eigvals sequence_mask setdiff1d shape shape_n sigmoid sign sin sinh size slice sort
    space_to_batch space_to_batch_nd space_to_depth sparse_add sparse_concat sparse_fill_empty_rows sparse_mask
    sparse_matmul sparse_maximum sparse_merge sparse_minimum sparse_reduce_max sparse_reduce_max_sparse
    sparse_reduce_sum sparse_reduce_sum_sparse sparse_reorder sparse_reset_shape sparse_reshape sparse_retain
    sparse_segment_mean sparse_segment_sqrt_n sparse_segment_sum sparse_slice sparse_softmax sparse_split
    sparse_tensor_dense_matmul sparse_tensor_to_dense sparse_to_dense sparse_to_indicator sparse_transpose split sqrt
    square squared_difference squeeze stack stop_gradient strided_slice string_join string_split string_strip
    string_to_hash_bucket string_to_hash_bucket_fast string_to_hash_bucket_strong string_to_number substr subtract svd
    tan tanh tensor_scatter_add tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min
    tensor_scatter_nd_sub tensor_scatter_nd_update tensor_scatter_sub tensor_scatter_update tensordot tile to_bfloat16
    to_complex128 to_complex64 to_double to_float to_int32 to_int64 trace transpose truediv truncated_normal
    truncatediv truncatemod tuple type_spec_from_value unique unique_with_counts unravel_index unsorted_segment_max
    unsorted_segment_mean unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n unsorted_segment_sum
    unstack verify_tensor_all_finite where where_v2 zeros zeros_like zeta
    """
)
"""Those of ``tf`` itself, of ``tf.compat.v1`` and of the backend of Keras 2; whole modules stand in `allowlist`."""
